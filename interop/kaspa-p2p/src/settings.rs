//! What the command line says.

use kaspa_utils::networking::{NetAddress, PeerId};
use uuid::Uuid;

/// The newest protocol version that kaspa-p2p-lib 2.1.0 speaks, and the oldest that kaspad takes.
pub(crate) const NEWEST: u32 = 11;
pub(crate) const OLDEST: u32 = 10;

/// How this node presents itself, and what it does without being told.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) network: String,
    pub(crate) version: u32,
    pub(crate) id: PeerId,
    pub(crate) user_agent: String,
    /// What it says its public address is.
    pub(crate) address: Option<NetAddress>,
    /// Whether it asks for what is announced to it, as a node that is in sync does.
    pub(crate) relay: bool,
}

impl Settings {
    /// Reads the arguments that follow the address.
    ///
    /// # Errors
    ///
    /// Says which argument is wrong.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut settings = Self::default();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
            match arg.as_str() {
                "--network" => settings.network = value()?,
                "--version" => settings.version = parsed(&arg, &value()?)?,
                "--id" => settings.id = parsed(&arg, &value()?)?,
                "--user-agent" => settings.user_agent = value()?,
                "--address" => settings.address = Some(parsed(&arg, &value()?)?),
                "--relay" => settings.relay = true,
                _ => return Err(format!("what is {arg}?")),
            }
        }
        Ok(settings)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            network: "kaspa-simnet".to_owned(),
            version: NEWEST,
            id: Uuid::new_v4().into(),
            // kaspad names itself twice, once for the library and once for the daemon.
            user_agent: "/kaspad:2.1.0/kaspa-p2p:0.1.0/".to_owned(),
            address: None,
            relay: false,
        }
    }
}

fn parsed<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} cannot be {value}"))
}
