//! HTTP requests beside WebSocket, on the real kernel: what is handed to the application, what it
//! answers, and how long a connection lasts.

#[path = "http/requests.rs"]
mod requests;
#[path = "http/routes.rs"]
mod routes;
#[path = "support/service.rs"]
mod running;
#[path = "http/service.rs"]
mod service;
