//! Reverts as change requests.

use std::sync::Arc;

use super::*;
use crate::fakes::{FakeForge, RequestState};

impl World {
    async fn requests(&mut self, failure: Failure, forge: &Arc<FakeForge>) -> Judgement {
        let ports = Ports { branch: &self.branch, tags: &self.tags, clock: &self.clock };
        let target = Target { requests: Some(Arc::<FakeForge>::clone(forge)), ..target() };
        let reaction = react(&target, &ports, &mut self.memory, &self.board, vec![failure]).await.unwrap();
        reaction.judged[0].judgement.clone()
    }
}

#[tokio::test]
async fn a_closed_request_to_take_back_is_a_persons_word_about_that_value_alone() {
    let mut world = World::new(REVERT).await;
    let forge = Arc::new(FakeForge::default());
    let failure = world.failure();
    for _ in 0..2 {
        assert_eq!(world.requests(failure.clone(), &forge).await, Judgement::Request);
    }
    assert_eq!(forge.calls(), ["open lockstep/revert-updates: Revert shop/web to 1.4.2"]);
    forge.set(1, RequestState::Closed);
    let judgement = world.requests(failure.clone(), &forge).await;
    assert!(matches!(&judgement, Judgement::Person(reason) if reason.contains("was closed")), "{judgement:?}");

    // The next update fails too, and would be taken back to the same value.
    world.tags.push("acme/web", "1.4.4", None);
    world.branch.human_reverts();
    let (_, before) = (world.memory.set_stopped(StoppedTags::default()), head(&world));
    let update = world.turn().await.pushed.unwrap();
    let reference = "ghcr.io/acme/web:1.4.4".to_owned();
    let failure = Failure { reference, before: Some(before), applied: update, ..failure };
    assert_eq!(world.requests(failure, &forge).await, Judgement::Request);
    assert_eq!(forge.calls(), ["open lockstep/revert-updates: Revert shop/web to 1.4.2"]);
}
