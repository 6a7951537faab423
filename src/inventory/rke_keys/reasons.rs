//! Why keys are not taken here.

pub(super) const SECRET: &str = "a secret would stand readable in cluster.yml, in cluster.rkestate and in rke's log; \
                      use what needs none here (a registry or bucket the nodes may reach by their own right)";
