use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;

const GRACE: Duration = Duration::from_secs(60);

fn signals() -> (mpsc::UnboundedSender<()>, UnboundedReceiverStream<()>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, UnboundedReceiverStream::new(receiver))
}

/// A task that stops when asked, and says that it did.
fn polite(tasks: &mut Tasks, policy: Policy) -> Arc<AtomicBool> {
    let finished = Arc::new(AtomicBool::new(false));
    let (flag, shutdown) = (finished.clone(), tasks.shutdown());
    tasks.spawn("polite", policy, async move {
        shutdown.requested().await;
        flag.store(true, Ordering::SeqCst);
        Ok::<_, io::Error>(())
    });
    finished
}

#[tokio::test]
async fn the_first_critical_task_to_finish_stops_the_rest() {
    let mut tasks = Tasks::new();
    let finished = polite(&mut tasks, Policy::Critical);
    tasks.spawn("short", Policy::Critical, async { Ok::<_, io::Error>(()) });
    let stopped = tasks.run_until(stream::pending(), GRACE).await.unwrap();
    assert_eq!(stopped, Stopped::Finished(Some("short".to_owned())));
    assert!(finished.load(Ordering::SeqCst), "the other task was not asked to stop");
}

#[tokio::test]
async fn a_failed_critical_task_is_the_result_and_stops_the_rest() {
    let mut tasks = Tasks::new();
    let finished = polite(&mut tasks, Policy::Critical);
    tasks.spawn("scan", Policy::Critical, async { Err(io::Error::other("the disk is full")) });
    let failure = tasks.run_until(stream::pending(), GRACE).await.unwrap_err();
    assert_eq!(failure.to_string(), "task scan failed: the disk is full");
    assert!(finished.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_panic_is_an_error_with_the_name_of_the_task() {
    for (policy, wanted) in [
        (Policy::Critical, Err("task scan panicked: index 7".to_owned())),
        (Policy::Optional, Ok(Stopped::Finished(None))),
    ] {
        let mut tasks = Tasks::new();
        tasks.spawn("scan", policy, async {
            let empty: [u8; 0] = [];
            assert!(!std::hint::black_box(empty).is_empty(), "index {}", 7);
            Ok::<_, io::Error>(())
        });
        let result = tasks.run_until(stream::pending(), GRACE).await;
        assert_eq!(result.map_err(|failure| failure.to_string()), wanted);
    }
}

#[tokio::test]
async fn optional_tasks_may_fail_and_the_daemon_ends_when_nothing_is_left() {
    let mut tasks = Tasks::new();
    tasks.spawn("notify", Policy::Optional, async { Err("nobody listens") });
    tasks.spawn("other", Policy::Optional, async { Ok::<_, io::Error>(()) });
    let stopped = tasks.run_until(stream::pending(), GRACE).await.unwrap();
    assert_eq!(stopped, Stopped::Finished(None));
}

#[tokio::test]
async fn the_first_signal_drains() {
    let mut tasks = Tasks::new();
    let finished = polite(&mut tasks, Policy::Critical);
    let (sender, signals) = signals();
    sender.send(()).unwrap();
    assert_eq!(tasks.run_until(signals, GRACE).await.unwrap(), Stopped::Requested);
    assert!(finished.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_second_signal_aborts_and_names_what_was_aborted() {
    let mut tasks = Tasks::new();
    tasks.spawn("push", Policy::Critical, pending::<Result<(), io::Error>>());
    let (sender, signals) = signals();
    sender.send(()).unwrap();
    sender.send(()).unwrap();
    let failure = tasks.run_until(signals, GRACE).await.unwrap_err();
    assert_eq!(failure.to_string(), "aborted by a second signal: push did not finish");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_grace_period_aborts() {
    let mut tasks = Tasks::new();
    tasks.spawn("push", Policy::Critical, pending::<Result<(), io::Error>>());
    tasks.spawn("fetch", Policy::Optional, pending::<Result<(), io::Error>>());
    let (sender, signals) = signals();
    sender.send(()).unwrap();
    let failure = tasks.run_until(signals, GRACE).await.unwrap_err();
    assert!(matches!(&failure, TaskError::Overdue { tasks, .. } if tasks == &["fetch", "push"]), "{failure}");
}

#[tokio::test]
async fn an_error_while_draining_is_not_lost() {
    let mut tasks = Tasks::new();
    let shutdown = tasks.shutdown();
    tasks.spawn("flush", Policy::Critical, async move {
        shutdown.requested().await;
        Err("could not write")
    });
    tasks.shutdown().request();
    let failure = tasks.run_until(stream::pending(), GRACE).await.unwrap_err();
    assert_eq!(failure.to_string(), "task flush failed: could not write");
}

#[tokio::test]
async fn a_part_stops_with_the_whole_but_not_the_other_way_round() {
    let whole = Shutdown::new();
    let part = whole.part();
    part.request();
    assert!(part.is_requested() && !whole.is_requested());
    let other = whole.part();
    whole.request();
    other.requested().await;
}
