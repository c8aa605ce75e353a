//! [`Call`]: a command that can be spelled again, for a server that does not know the script, or for another server.

use redis::Cmd;

use crate::script::{Lua, Spelling};

pub(crate) enum Call {
    Script {
        script: &'static Lua,
        keys: Vec<Vec<u8>>,
        args: Vec<Vec<u8>>,
    },
    Plain(Cmd),
}

impl Call {
    pub(crate) fn script(script: &'static Lua, keys: impl Into<Vec<Vec<u8>>>, args: impl Into<Vec<Vec<u8>>>) -> Self {
        Self::Script {
            script,
            keys: keys.into(),
            args: args.into(),
        }
    }

    pub(crate) fn command(&self, spelling: Spelling) -> Cmd {
        match self {
            Self::Script { script, keys, args } => script.command(spelling, keys, args),
            Self::Plain(command) => command.clone(),
        }
    }
}

/// A number as scripts take it.
pub(crate) fn decimal(number: impl ToString) -> Vec<u8> {
    number.to_string().into_bytes()
}
