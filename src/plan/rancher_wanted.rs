//! What the stage of Rancher has to bring about, and how its parts are called.

use serde_json::Value;

use crate::inventory::{Inventory, Values};
use crate::tls::Picture;

/// The namespace Rancher insists on, and the name of its release and Deployment.
pub const NAMESPACE: &str = "cattle-system";

pub const RANCHER: &str = "rancher";

/// What the stage has to bring about.
#[derive(Debug, Clone)]
pub struct RancherWanted<'a> {
    pub inventory: &'a Inventory,
    pub picture: &'a Picture,
    pub values: Values,
    /// Objects of the rendered chart that RKE applies.
    pub addon: &'a [Value],
    /// Objects of the rendered chart that could not go into the addon: they need cert-manager's CRDs.
    pub later: Vec<Value>,
}

/// `Kind/name`: enough to tell apart what one stage wants.
pub fn identity(manifest: &Value) -> String {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{}/{}", text("/kind"), text("/metadata/name"))
}
