use crate::board::BranchKey;
use crate::fakes::{FakeBranch, FakeClock, FakeTags};
use crate::places::PlaceId;

use super::*;

/// Wants the file `a` to say how many heads it has seen.
#[derive(Default)]
struct Counting(Vec<CommitId>);

#[async_trait]
impl Proposal for Counting {
    async fn at(&mut self, head: CommitId) -> Result<Option<Batch>, TurnError> {
        self.0.push(head);
        let bytes = format!("seen {}\n", self.0.len()).into_bytes();
        let object = lockstep_manifest::ObjectId::new("apps", "Deployment", "shop", "web");
        let change = Move {
            place: PlaceId { file: "a".to_owned(), object, container: "web".to_owned() },
            edits: Vec::new(),
            line: 1,
            from: "a:1".to_owned(),
            to: "a:2".to_owned(),
            tag: "2".to_owned(),
            digest: None,
            group: None,
            evidence: Vec::new(),
        };
        let files = vec![FileChange { path: "a".to_owned(), bytes }];
        Ok(Some(Batch { kind: ChangeKind::Update, moves: vec![change], files, requested: None }))
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Update
    }
}

async fn published(branch: &FakeBranch) -> (Counting, Result<Published, TurnError>) {
    let (tags, clock) = (FakeTags::default(), FakeClock::at("2026-11-23T12:00:00Z"));
    let ports = Ports { branch, tags: &tags, clock: &clock };
    let target = Target::new(BranchKey { repository: "https://git.example/a".to_owned(), branch: "main".to_owned() });
    let mut proposal = Counting::default();
    let head = branch.human("Begin", &[("a", "seen 0\n")]);
    let published = publish(&mut proposal, head, &target, &ports).await;
    (proposal, published)
}

fn overtake(branch: &FakeBranch, times: usize) {
    for number in 0..times {
        let name = format!("b{number}");
        branch.before_push(move |branch| {
            branch.human("Overtake", &[(&name, "b")]);
        });
    }
}

#[tokio::test]
async fn a_lost_race_is_decided_again_on_the_new_head_and_never_forced() {
    let branch = FakeBranch::default();
    overtake(&branch, 3);
    let (proposal, published) = published(&branch).await;
    assert_eq!(proposal.0.len(), 4, "once for each head");
    assert!(published.unwrap().commit.is_some());
    assert_eq!(branch.text("a"), "seen 4\n");
    assert_eq!((branch.text("b0"), branch.text("b2"), branch.length()), ("b".to_owned(), "b".to_owned(), 5));
}

#[tokio::test]
async fn races_without_end_are_given_up_until_the_next_turn() {
    let branch = FakeBranch::default();
    overtake(&branch, 9);
    let (proposal, published) = published(&branch).await;
    assert!(matches!(published, Err(TurnError::Raced { attempts: ATTEMPTS, .. })));
    assert_eq!(proposal.0.len(), usize::try_from(ATTEMPTS).unwrap());
    assert_eq!(branch.text("a"), "seen 0\n");
}

#[tokio::test]
async fn a_protected_branch_says_what_can_be_done() {
    let branch = FakeBranch::default();
    branch.reject(true);
    let error = published(&branch).await.1.unwrap_err();
    assert_eq!(error.category(), "rejected");
    assert!(
        error.to_string().contains("protected branch; let this account push")
            && error.to_string().contains("pull-requests")
    );
}
