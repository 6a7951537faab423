//! Programs that are here already, for who only looks.

use super::{Found, Tool, ToolKind, Toolbox, is_whole};

impl Toolbox {
    /// As [`Toolbox::find`], without fetching anything; `None` when it is not here in this version.
    pub async fn at_hand(&self, kind: ToolKind, from: &Tool, version: &str) -> Option<Found> {
        match from {
            Tool::Path(path) => return self.exactly(kind, path, version).await.ok(),
            Tool::Download => {}
            Tool::Search => {
                if let Some(Ok(found)) = self.searched(kind, version).await {
                    return Some(found);
                }
            }
        }
        let kept = self.cache.join(format!("{}-{version}", kind.name()));
        if !is_whole(kept.clone()).await {
            return None;
        }
        self.exactly(kind, &kept, version).await.ok()
    }
}
