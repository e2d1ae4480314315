//! After a fault of the program: it is told, and the work begins anew after a pause.

use std::time::Duration;

use super::Actor;
use crate::ports::Happening;

impl Actor {
    /// Takes the place of an actor of the same Sync that ended in a fault of the program. It knows no more than after a
    /// start of the daemon.
    pub(crate) async fn run_again(mut self, pause: Duration) {
        self.memory.fault = Some(format!(
            "the synchronizer failed at the work on this Sync, by a fault of its own; it begins anew in {} s, and the other \
             Syncs go on. Its log says where it failed; please report it",
            pause.as_secs().max(1)
        ));
        self.tell(&Happening::Faulted);
        self.report().await;
        let requested = self.common.shutdown.requested();
        tokio::select! {
            () = requested => return,
            () = tokio::time::sleep(pause) => {}
        }
        self.memory.fault = None;
        self.run().await;
    }
}
