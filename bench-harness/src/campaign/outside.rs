//! A crew in a process of its own, which can be stopped and killed.

use super::Programs;
use super::crew::{Account, Crew, CrewPlan, Pace};
use super::message::Sizes;
use super::subject::send_signal;
use crate::error::{Error, Result};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the process is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    server: SocketAddr,
    first: u32,
    count: usize,
    window: Option<usize>,
    sizes: [usize; 2],
    seed: u64,
    patience: Duration,
}

/// The process. Dropping it kills it.
#[derive(Debug)]
pub struct Outside {
    child: Child,
}

impl Outside {
    /// Starts it, and waits until all its connections are open.
    pub fn start(plan: &CrewPlan, programs: &Programs) -> Result<Self> {
        let order = Order {
            server: plan.server,
            first: plan.first,
            count: plan.count,
            window: match plan.pace {
                Pace::Window(depth) => Some(depth),
                _ => None,
            },
            sizes: [plan.sizes.least, plan.sizes.most],
            seed: plan.seed,
            patience: plan.patience,
        };
        let order = serde_json::to_string(&order).map_err(|it| Error::Usage(it.to_string()))?;
        let mut command = Command::new(&programs.own);
        command.args(["crew", &order]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Error::io("a process of clients"))?;
        let mut byte = [0];
        let ready = child.stdout.as_mut().map(|out| out.read_exact(&mut byte));
        let outside = Self { child };
        match ready {
            Some(Ok(())) => Ok(outside),
            _ => Err(Error::Server("clients got no connection".into())),
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send_signal(self.child.id(), signal)
    }

    /// Lets it finish in order.
    pub fn finish(mut self) -> Result<Vec<Account>> {
        // The end of its input is what it waits for.
        drop(self.child.stdin.take());
        let mut text = String::new();
        let out = self.child.stdout.take();
        let read = out.map(|out| BufReader::new(out).read_line(&mut text));
        match (read, serde_json::from_str(&text)) {
            (Some(Ok(_)), Ok(accounts)) => Ok(accounts),
            _ => Err(Error::Server(format!("a process of clients said `{text}`"))),
        }
    }

    /// Kills it.
    pub fn kill(self) {}
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself: works until its input ends, then prints its accounts.
pub fn work(order: &str) -> Result<()> {
    let usage = |error: serde_json::Error| Error::Usage(error.to_string());
    let order: Order = serde_json::from_str(order).map_err(usage)?;
    let crew = Crew::start(CrewPlan {
        server: order.server,
        space: None,
        first: order.first,
        count: order.count,
        pace: order.window.map_or(Pace::Flood, Pace::Window),
        sizes: Sizes { least: order.sizes[0], most: order.sizes[1] },
        seed: order.seed,
        receive_buffer: None,
        patience: order.patience,
        origin: Instant::now(),
    });
    if !crew.wait_open(order.count as u64, Duration::from_secs(5)) {
        return Err(Error::Server("no connections".into()));
    }
    let io = Error::io("talking to the harness");
    let mut out = std::io::stdout();
    out.write_all(b"!").and_then(|()| out.flush()).map_err(io)?;
    std::io::stdin().read_to_end(&mut Vec::new()).map_err(Error::io("waiting for the end"))?;
    let accounts = serde_json::to_string(&crew.finish()?.accounts).map_err(usage)?;
    writeln!(out, "{accounts}").map_err(Error::io("the accounts"))
}
