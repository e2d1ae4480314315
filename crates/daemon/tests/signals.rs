//! Real signals, in a process of their own.

use std::{io, time::Duration};

use lockstep_daemon::{Policy, Stopped, TaskError, Tasks};
use tokio::process::Command;

/// Sends a signal to this process.
async fn send(signal: &str) -> io::Result<()> {
    let status = Command::new("kill").arg(signal).arg(std::process::id().to_string()).status().await?;
    if status.success() { Ok(()) } else { Err(io::Error::other("kill failed")) }
}

#[tokio::test]
async fn a_signal_drains_and_a_second_one_aborts() {
    for signal in ["-TERM", "-INT"] {
        let mut tasks = Tasks::new();
        let shutdown = tasks.shutdown();
        // Tasks start to run when the signals are already listened for.
        tasks.spawn("polite", Policy::Critical, async move {
            send(signal).await?;
            shutdown.requested().await;
            Ok::<_, io::Error>(())
        });
        assert_eq!(tasks.run_until_stopped(Duration::from_secs(60)).await.unwrap(), Stopped::Requested);
    }

    let mut tasks = Tasks::new();
    let shutdown = tasks.shutdown();
    tasks.spawn("stubborn", Policy::Critical, async move {
        send("-TERM").await?;
        shutdown.requested().await;
        send("-INT").await?;
        std::future::pending::<io::Result<()>>().await
    });
    let aborted = tasks.run_until_stopped(Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(&aborted, TaskError::Aborted { tasks } if tasks == &["stubborn"]), "{aborted}");
}
