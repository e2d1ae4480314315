//! Waiting for a condition: the one place that sleeps.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const PAUSE: Duration = Duration::from_millis(25);

/// Asks `condition` again and again until it is true.
///
/// # Errors
///
/// Says what was waited for, and for how long, once `deadline` has passed.
pub async fn eventually(deadline: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    loop {
        if condition().await {
            return Ok(());
        }
        if start.elapsed() >= deadline {
            bail!("waited {:.1} s in vain for: {what}", deadline.as_secs_f64());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_never_holds_is_named() {
        let error = eventually(Duration::ZERO, "the moon to fall", async || false).await;
        assert!(error.unwrap_err().to_string().contains("the moon to fall"));
    }

    #[tokio::test]
    async fn a_condition_is_asked_until_it_holds() {
        let mut asked = 0;
        eventually(Duration::from_secs(10), "three questions", async || {
            asked += 1;
            asked == 3
        })
        .await
        .unwrap();
        assert_eq!(asked, 3);
    }
}
