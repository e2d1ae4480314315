//! What the network, the API server and Git do to the daemon in a day, and who restarts it.

use std::time::Duration;

use lockstep_testkit::{Answer, Fault, Injected, Requests, Times, Trick};

use super::{dice::Dice, stand::Stand};

#[derive(Default)]
pub(crate) struct Weather {
    faults: Vec<Injected>,
    is_git_down: bool,
    is_api_down: bool,
}

impl Weather {
    /// Lets it become otherwise, or not; says how it is then.
    pub(crate) async fn step(&mut self, stand: &mut Stand, dice: &mut Dice) -> Option<String> {
        if !stand.is_running() {
            stand.start();
            return Some("the daemon is started".to_owned());
        }
        if self.is_git_down || self.is_api_down {
            self.clear(stand);
            return Some("servers are back".to_owned());
        }
        let what = match dice.below(40) {
            0 => {
                stand.kill().await;
                "the daemon is killed".to_owned()
            }
            1 => {
                stand.stop().await;
                "the daemon is stopped".to_owned()
            }
            2 => {
                stand.git.stop();
                self.is_git_down = true;
                "Git is down".to_owned()
            }
            3 => {
                stand.proxy.stop();
                self.is_api_down = true;
                "the API server is down".to_owned()
            }
            4..=6 => {
                let trick = dice.pick(&[Trick::Cut, Trick::End, Trick::Stall, Trick::gone()]).clone();
                let watches = stand.proxy.trick(&Requests::with(&["watch"]), &trick);
                format!("{watches} watches: {trick:?}")
            }
            7..=12 => {
                if self.faults.len() >= 2 {
                    self.faults.remove(0).lift();
                }
                let (requests, times, fault) = fault(dice);
                let text = format!("{times:?} {fault:?} of {requests:?}");
                self.faults.push(stand.proxy.inject(requests, times, fault));
                text
            }
            13 => {
                self.faults.drain(..).for_each(|fault| fault.lift());
                "no faults".to_owned()
            }
            _ => return None,
        };
        Some(what)
    }

    /// Fair weather.
    pub(crate) fn clear(&mut self, stand: &mut Stand) {
        self.faults.drain(..).for_each(|fault| fault.lift());
        if std::mem::take(&mut self.is_git_down) {
            stand.git.resume().unwrap();
        }
        if std::mem::take(&mut self.is_api_down) {
            stand.proxy.resume().unwrap();
        }
        if !stand.is_running() {
            stand.start();
        }
    }
}

fn fault(dice: &mut Dice) -> (Requests, Times, Fault) {
    let busy = Answer::status(429, "TooManyRequests", "too many requests, please try again later").retry_after(1);
    let broken = Fault::status(500, "InternalError", "etcdserver: leader changed");
    match dice.below(9) {
        0 => (Requests::writes(), Times::Every(3), Fault::Answer(busy)),
        1 => (Requests::all(), Times::Every(5), broken),
        2 => (Requests::writes(), Times::Every(4), Fault::LoseAnswer),
        3 => (Requests::all(), Times::Every(6), Fault::Drop),
        4 => (Requests::writes(), Times::Every(2), Fault::Delay(Duration::from_millis(150))),
        5 => (Requests::with(&["list"]), Times::Every(2), Fault::status(410, "Expired", "too old resource version")),
        6 => (Requests::with(&["watch"]), Times::Always, broken),
        7 => (Requests::all().path("/apis"), Times::Always, Fault::status(503, "ServiceUnavailable", "not yet")),
        _ => (Requests::with(&["get"]), Times::Every(3), Fault::status(403, "Forbidden", "no answer for you")),
    }
}
