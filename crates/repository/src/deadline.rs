//! An end to waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Sets a flag and runs something once when the time is up; dropping it ends the wait early.
pub(crate) struct Deadline {
    passed: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    watch: Option<JoinHandle<()>>,
}

impl Deadline {
    pub(crate) fn start(after: Duration, expire: impl FnOnce() + Send + 'static) -> Self {
        let passed = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = channel::<()>();
        let flag = Arc::clone(&passed);
        let watch = std::thread::spawn(move || {
            if stopped.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                flag.store(true, Ordering::SeqCst);
                expire();
            }
        });
        Self { passed, stop: Some(stop), watch: Some(watch) }
    }

    /// The flag, for those who look at it now and then.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.passed
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.passed.load(Ordering::SeqCst)
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::Deadline;

    #[test]
    fn it_passes_once_and_only_if_it_is_not_dropped_before() {
        let (expired, seen) = channel();
        let deadline = Deadline::start(Duration::from_millis(1), move || expired.send(()).unwrap());
        seen.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(deadline.has_passed());

        let (expired, seen) = channel::<()>();
        drop(Deadline::start(Duration::from_secs(3600), move || expired.send(()).unwrap()));
        assert!(seen.recv().is_err());
    }
}
