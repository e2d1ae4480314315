//! Daemons and a Lease that is a value, on a clock that jumps to whatever is waited for.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use lockstep_plan::Class;
use tokio::task::JoinSet;
use tonic::service::Interceptor as _;
use tonic::{Code, Request};

use super::*;

const TERMS: Terms = Terms { duration: Duration::from_secs(15), renew: Duration::from_secs(5) };

#[derive(Default)]
struct Kept(Mutex<(Option<LeaseRecord>, i64)>);

impl Kept {
    fn now(&self) -> Option<LeaseRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn set(&self, record: Option<LeaseRecord>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = record;
    }

    fn holder(&self) -> String {
        self.now().unwrap_or_default().holder
    }
}

/// What the way of one daemon to the API server does.
const OPEN: u8 = 0;
const CUT: u8 = 1;
const LOSES_ANSWERS: u8 = 2;

struct Way {
    kept: Arc<Kept>,
    state: AtomicU8,
}

fn failure(code: Option<u16>) -> ClusterError {
    ClusterError { class: Class::Transient, code, message: "renew Lease a/b".to_owned(), retry_after: None }
}

#[async_trait]
impl Store for Way {
    async fn read(&self) -> Result<Option<LeaseRecord>, ClusterError> {
        match self.state.load(SeqCst) {
            CUT => Err(failure(None)),
            _ => Ok(self.kept.now()),
        }
    }

    async fn write(&self, record: &LeaseRecord) -> Result<LeaseRecord, ClusterError> {
        let state = self.state.load(SeqCst);
        if state == CUT {
            return Err(failure(None));
        }
        let mut kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = kept.0.as_ref().map(|record| record.version.clone()).unwrap_or_default();
        if record.version != version {
            return Err(failure(Some(if version.is_empty() { 404 } else { 409 })));
        }
        kept.1 += 1;
        let renewed = Timestamp::from_second(kept.1).unwrap();
        let acquired = record.acquired.or(Some(renewed));
        let written = LeaseRecord { renewed: Some(renewed), acquired, version: kept.1.to_string(), ..record.clone() };
        kept.0 = Some(written.clone());
        if state == LOSES_ANSWERS { Err(failure(None)) } else { Ok(written) }
    }
}

struct Daemon {
    way: Arc<Way>,
    fence: Fence,
    lead: Lead,
    shutdown: Shutdown,
    work: Option<mpsc::Sender<Infallible>>,
    running: JoinSet<Result<(), Lost>>,
}

impl Daemon {
    fn start(name: &str, kept: &Arc<Kept>) -> Self {
        let way = Arc::new(Way { kept: kept.clone(), state: AtomicU8::new(OPEN) });
        let (fence, shutdown) = (Fence::closed(), Shutdown::new());
        let (election, lead) = Election::new(way.clone(), name.to_owned(), TERMS, fence.clone());
        let (work, working) = mpsc::channel(1);
        let mut running = JoinSet::new();
        running.spawn(election.run(working, shutdown.clone()));
        Self { way, fence, lead, shutdown, work: Some(work), running }
    }

    async fn leads(&self) -> bool {
        self.lead.won(&self.shutdown, || {}).await
    }

    fn goes_on(&mut self) -> bool {
        self.running.try_join_next().is_none()
    }

    async fn end(&mut self) -> Result<(), Lost> {
        self.running.join_next().await.unwrap().unwrap()
    }

    fn is(&self, state: u8) {
        self.way.state.store(state, SeqCst);
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_the_second_says_who_does() {
    let kept = Arc::default();
    let first = Daemon::start("first", &kept);
    assert!(first.leads().await);
    let second = Daemon::start("second", &kept);
    assert!(second.lead.standing_by().unwrap().contains("has not read"));
    pass(600).await;
    assert!(first.fence.is_open() && !second.fence.is_open());
    assert_eq!(first.lead.standing_by(), None);
    assert_eq!(second.lead.standing_by().unwrap(), "this synchronizer stands by; first leads");
    let refused = second.lead.clone().call(Request::new(())).unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unavailable, "this synchronizer stands by; first leads; ask again")
    );
    assert!(first.lead.clone().call(Request::new(())).is_ok());
    assert_eq!(kept.now().unwrap().transitions, 0);
}

#[tokio::test(start_paused = true)]
async fn who_stops_lets_the_next_lead_at_once_but_not_before_its_work_is_done() {
    let kept = Arc::default();
    let mut first = Daemon::start("first", &kept);
    assert!(first.leads().await);
    let second = Daemon::start("second", &kept);
    pass(1).await;
    first.shutdown.request();
    pass(60).await;
    assert!(first.fence.is_open() && !second.fence.is_open(), "the work in hand goes on");
    let began = Instant::now();
    drop(first.work.take());
    assert!(second.leads().await);
    assert!(began.elapsed() <= TERMS.pause(), "{:?}", began.elapsed());
    assert!(!first.fence.is_open() && second.fence.is_open());
    assert!(first.end().await.is_ok());
    assert_eq!(kept.now().unwrap().transitions, 1);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_to_write_before_another_begins() {
    let kept = Arc::default();
    let mut first = Daemon::start("first", &kept);
    assert!(first.leads().await);
    let second = Daemon::start("second", &kept);
    pass(12).await;
    first.is(CUT);
    let began = Instant::now();
    let (mut stopped, mut taken) = (None, None);
    while taken.is_none() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!(first.fence.is_open() && second.fence.is_open()), "two write");
        stopped = stopped.or((!first.fence.is_open()).then(|| began.elapsed()));
        taken = second.fence.is_open().then(|| began.elapsed());
    }
    let (stopped, taken) = (stopped.unwrap(), taken.unwrap());
    assert!(stopped <= TERMS.trusted() && taken - stopped >= TERMS.renew, "{stopped:?} {taken:?}");
    assert!(taken <= TERMS.duration + TERMS.pause() * 2, "{taken:?}");
    assert!(first.goes_on(), "it does not know yet");
    first.is(OPEN);
    let lost = first.end().await.unwrap_err().to_string();
    assert!(lost.contains("second holds it"), "{lost}");
    assert!(!first.fence.is_open());
}

#[tokio::test(start_paused = true)]
async fn an_outage_for_all_costs_nobody_the_lead() {
    let kept = Arc::default();
    let (first, second) = (Daemon::start("first", &kept), Daemon::start("second", &kept));
    pass(1).await;
    let (leader, other) = if first.fence.is_open() { (&first, &second) } else { (&second, &first) };
    leader.is(CUT);
    other.is(CUT);
    pass(3600).await;
    assert!(!leader.fence.is_open() && !other.fence.is_open());
    leader.is(OPEN);
    pass(3).await;
    other.is(OPEN);
    pass(60).await;
    assert!(leader.fence.is_open() && !other.fence.is_open());
    assert_eq!(kept.now().unwrap().transitions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_is_still_ours() {
    let kept = Arc::default();
    let mut first = Daemon::start("first", &kept);
    assert!(first.leads().await);
    first.is(LOSES_ANSWERS);
    pass(7).await;
    first.is(OPEN);
    pass(60).await;
    assert!(first.fence.is_open() && first.goes_on());
}

#[tokio::test(start_paused = true)]
async fn taking_it_unheard_is_noticed() {
    let kept = Arc::default();
    let first = Daemon::start("first", &kept);
    first.is(LOSES_ANSWERS);
    pass(1).await;
    assert!(!first.fence.is_open() && kept.holder() == "first");
    first.is(OPEN);
    assert!(first.leads().await);
}

/// D8: the clock of the holder, and ours, may say anything.
#[tokio::test(start_paused = true)]
async fn times_in_the_lease_are_not_believed() {
    for said in ["1970-01-01T00:00:00Z", "9000-01-01T00:00:00Z"] {
        let kept: Arc<Kept> = Arc::default();
        let duration = Duration::from_secs(30);
        let (renewed, holder, version) = (said.parse().ok(), "gone".to_owned(), "7".to_owned());
        kept.set(Some(LeaseRecord { holder, duration, renewed, version, ..LeaseRecord::default() }));
        let began = Instant::now();
        let first = Daemon::start("first", &kept);
        assert!(first.leads().await);
        let waited = began.elapsed();
        assert!(waited >= duration && waited <= duration + TERMS.pause(), "{said}: {waited:?}");
        assert_eq!(kept.now().unwrap().transitions, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_is_lost() {
    let kept: Arc<Kept> = Arc::default();
    let mut first = Daemon::start("first", &kept);
    assert!(first.leads().await);
    kept.set(None);
    let lost = first.end().await.unwrap_err().to_string();
    assert!(lost.contains("nobody holds it"), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn who_stands_by_ends_when_asked_and_leaves_the_lease() {
    let kept = Arc::default();
    let first = Daemon::start("first", &kept);
    assert!(first.leads().await);
    let mut second = Daemon::start("second", &kept);
    pass(1).await;
    second.shutdown.request();
    assert!(!second.leads().await);
    assert!(second.end().await.is_ok());
    assert_eq!(kept.holder(), "first");
}

#[tokio::test]
async fn without_a_lease_there_is_nobody_else() {
    let lead = Lead::alone();
    assert!(lead.won(&Shutdown::new(), || panic!("nobody else leads")).await);
    assert_eq!(lead.standing_by(), None);
}
