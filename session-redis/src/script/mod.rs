//! The Lua scripts: every step that has to be atomic. Each touches keys of one slot only, so that it runs on a cluster.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script, sent by its hash; the server is given the text when it does not know it.
pub(crate) struct Lua {
    text: String,
    hash: String,
}

/// How a script is named in a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    Hash,
    Text,
}

impl Lua {
    fn new(body: &str) -> Self {
        let text = format!("{}\n{body}", include_str!("prelude.lua"));
        let hash = Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }

    pub(crate) fn command(&self, spelling: Spelling, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Cmd {
        let mut command = match spelling {
            Spelling::Hash => redis::cmd("EVALSHA"),
            Spelling::Text => redis::cmd("EVAL"),
        };
        command.arg(match spelling {
            Spelling::Hash => &self.hash,
            Spelling::Text => &self.text,
        });
        command.arg(keys.len());
        for part in keys.iter().chain(args) {
            command.arg(part.as_slice());
        }
        command
    }
}

macro_rules! scripts {
    ($($name:ident $file:literal)*) => {
        $(pub(crate) static $name: LazyLock<Lua> = LazyLock::new(|| Lua::new(include_str!($file)));)*
    };
}

scripts! {
    CREATE "create.lua"
    TOUCH "touch.lua"
    REPLACE "replace.lua"
    RETIRE "retire.lua"
    SHRINK "shrink.lua"
    END "end.lua"
    ENLIST "enlist.lua"
    SETTLE "settle.lua"
    LIST "list.lua"
    REVOKE "revoke.lua"
    CLOCK "clock.lua"
}
