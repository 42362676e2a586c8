//! Topics across engines over a real NATS broker: `nats-server`, which these tests start.

#[path = "nats/broker.rs"]
mod broker;
#[path = "tls/certs.rs"]
#[allow(dead_code, reason = "each test uses its own part")]
mod certs;
#[path = "nats/cluster.rs"]
mod cluster;
#[path = "nats/crossing.rs"]
mod crossing;
#[path = "nats/limits.rs"]
mod limits;
#[path = "nats/login.rs"]
mod login;
#[path = "nats/lost.rs"]
mod lost;
#[path = "nats/scripted.rs"]
mod scripted;
#[path = "nats/secure.rs"]
mod secure;
#[path = "support/service.rs"]
mod service;
#[path = "nats/site.rs"]
mod site;
