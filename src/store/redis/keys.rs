//! The names of keys. The hash tag of a partition keeps one commit in one slot of a cluster.

use uuid::Uuid;

/// The fixed keys of one partition.
#[derive(Clone, Debug)]
pub(super) struct PartitionKeys {
    prefix: String,
    pub(super) epoch: String,
    pub(super) head: String,
    pub(super) log: String,
    pub(super) index: String,
    pub(super) timers: String,
}

impl PartitionKeys {
    pub(super) fn new(namespace: &str, partition: u16) -> Self {
        let prefix = format!("{namespace}:{{p{partition:02}}}");
        Self {
            epoch: format!("{prefix}:epoch"),
            head: format!("{prefix}:head"),
            log: format!("{prefix}:log"),
            index: format!("{prefix}:index"),
            timers: format!("{prefix}:timers"),
            prefix,
        }
    }

    pub(super) fn aggregate(&self, id: Uuid) -> String {
        format!("{}:chat:{}", self.prefix, id.simple())
    }

    pub(super) fn history(&self, id: Uuid) -> String {
        format!("{}:history:{}", self.prefix, id.simple())
    }

    pub(super) fn seen(&self, id: Uuid) -> String {
        format!("{}:seen:{}", self.prefix, id.simple())
    }

    pub(super) fn memo(&self, id: Uuid) -> String {
        format!("{}:memo:{}", self.prefix, id.simple())
    }
}
