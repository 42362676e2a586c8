//! What a reactor is made from.

use crate::conn::Limits;
use crate::conn::tools::Fill;
use crate::proto::{Origins, Routes};
use crate::reactor::api::contract::{GapHook, Handle, Handler, LateHook, TopicHook};
use crate::reactor::client::dials::Resolve;
use crate::reactor::core::addresses::AddressLimits;
use crate::reactor::core::admission::Door;
use crate::reactor::core::log::Logger;
use crate::reactor::core::proxies::Proxies;
use crate::reactor::io::listeners::Listens;
use crate::tls;
use std::sync::Arc;

/// An endpoint as its reactors see it.
#[derive(Clone)]
pub struct Served {
    /// Who is called.
    pub handler: Arc<dyn Handler>,
    /// The limits of its connections.
    pub limits: Limits,
    /// Whose web pages may connect.
    pub origins: Origins,
    /// What each remote address may have of it.
    pub per_address: AddressLimits,
    /// How many upgrades it takes in a second, if there is a limit.
    pub(crate) door: Option<Arc<Door>>,
    /// Whose connections begin with a header of the PROXY protocol, if anybody's do.
    pub proxies: Option<Arc<Proxies>>,
    /// With TLS, under these settings.
    pub tls: Option<tls::Server>,
    /// The user word that its connections start with.
    pub user: usize,
    /// Paths that stand for endpoints of their own.
    pub routes: Option<Arc<Routed>>,
}

/// The routes of an endpoint. They have neither TLS nor routes of their own, and no address is
/// counted for them.
pub struct Routed {
    /// By path.
    pub patterns: Routes,
    /// In the order of the patterns.
    pub served: Vec<Served>,
}

/// What a reactor is made from.
pub struct Setup {
    /// The reactor's number, from 0.
    pub index: u32,
    /// Connections at the same time.
    pub connections_max: u32,
    /// The engine's endpoints.
    pub endpoints: Vec<Served>,
    /// For each listening socket of the kernel, what it is.
    pub listeners: Vec<Listens>,
    /// Who looks names up.
    pub resolver: Arc<dyn Resolve>,
    /// The source of masking keys.
    pub random: Fill,
    /// Bytes for the compressors and inflaters of connections that have their own.
    pub codec_memory_max: usize,
    /// The engine.
    pub handle: Handle,
    /// Told of topics that begin and end on this reactor.
    pub on_topic: Option<TopicHook>,
    /// Told of what members of topics here do without.
    pub on_gap: Option<GapHook>,
    /// Told of members that do without what has left the history of their topic.
    pub on_late: Option<LateHook>,
    /// Where it says what an operator should know.
    pub log: Logger,
    /// The word that `Context::reactor_user` starts with.
    pub user: usize,
}
