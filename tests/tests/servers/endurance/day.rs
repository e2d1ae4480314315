//! A day in the life: commits, edits by hand and faults all at once. In the end the cluster is the last commit.

use std::time::Instant;

use lockstep_testkit::eventually;

use super::{
    daemon::PATIENCE,
    dice::Dice,
    edits::Edits,
    git::Git,
    oracle::differences,
    stand::{Stand, is_ready, namespace},
    weather::Weather,
};

/// An hour ends with fair weather, and with the daemon having seen the last commit.
const HOURS: usize = 8;
const STEPS: usize = 25;

struct Day {
    stand: Stand,
    git: Git,
    edits: Edits,
    weather: Weather,
    dice: Dice,
    diary: Vec<String>,
    seed: u64,
}

impl Day {
    async fn new(seed: u64) -> Self {
        let mut stand = Stand::make("day").await;
        stand.plane.apply_yaml(&namespace(&stand.shop).to_string()).await.unwrap();
        let near = super::stand::config_map(&stand.shop, "near", serde_json::json!({"v": "near"}));
        stand.plane.apply_yaml(&near.to_string()).await.unwrap();
        stand.leave_alone(near).await;
        stand.settings("request-timeout: 3s\nwatch-timeout: 4s\n");
        let git = Git::new(&stand.shop);
        let (edits, weather) = (Edits::default(), Weather::default());
        Self { stand, git, edits, weather, dice: Dice::new(seed), diary: Vec::new(), seed }
    }

    fn note(&mut self, line: String) {
        self.diary.push(line);
    }

    async fn hour(&mut self, hour: usize) {
        for step in 0..STEPS {
            let what = self.git.step(&self.stand, &mut self.dice);
            self.note(format!("{hour}.{step} commit {}: {what}", &self.git.head[..7]));
            if what == "empty the folder" && self.dice.once_in(2) {
                self.stand.acknowledge(&self.git.head).await;
                self.note("acknowledged".to_owned());
            }
            let declared = self.git.declared();
            let what = self.edits.step(&mut self.stand, &declared, &mut self.dice).await;
            self.note(format!("{hour}.{step} by hand: {what}"));
            if let Some(what) = self.weather.step(&mut self.stand, &mut self.dice).await {
                self.note(format!("{hour}.{step} weather: {what}"));
            }
        }
        self.weather.clear(&mut self.stand);
        let head = self.git.head.clone();
        self.until("the branch to be looked at", async |stand| stand.status().await["fetched"]["commit"] == *head)
            .await;
        let harmed = self.stand.harmed().await;
        self.expect(harmed).await;
    }

    /// The last commit, in fair weather.
    async fn end(&mut self) {
        self.git.close(&self.stand, &mut self.dice);
        let head = self.git.head.clone();
        self.note(format!("the last commit {head}"));
        self.stand.acknowledge(&head).await;
        self.until("the last commit", async |stand| is_ready(&stand.status().await, &head)).await;
        let (declared, kinds) = (self.git.declared(), self.git.kinds());
        let mut found = Vec::new();
        // An edit of the last moment may still be on its way.
        let _ = eventually(PATIENCE / 3, "the cluster to be the commit", async || {
            found = self.unexplained(differences(&self.stand, &declared, &kinds).await);
            found.is_empty()
        })
        .await;
        found.extend(self.leftovers().await);
        self.expect(found).await;
    }

    /// What left Git without a proof that it is ours stays, as it should: its marks or its managed fields were taken away.
    fn unexplained(&self, found: Vec<String>) -> Vec<String> {
        let unproven = self.edits.unmarked.union(&self.edits.blurred);
        let stays: Vec<String> = unproven.map(|place| format!("{place} is in nobody's Git and still there")).collect();
        found.into_iter().filter(|line| !stays.contains(line)).collect()
    }

    /// Fields that Git has no more and that nobody else added.
    async fn leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (place, object) in self.git.declared() {
            if object["kind"] != "ConfigMap"
                || self.edits.blurred.contains(&place)
                || self.edits.unmarked.contains(&place)
            {
                continue;
            }
            let name = object["metadata"]["name"].as_str().unwrap();
            let live = self.stand.of(&object).get(name).await.unwrap();
            if object["data"]["sometimes"].is_null() && !live.data["data"]["sometimes"].is_null() {
                left.push(format!("{place} has a key that left Git: {live:?}"));
            }
        }
        left
    }

    async fn until(&mut self, what: &str, mut condition: impl AsyncFnMut(&Stand) -> bool) {
        let waited = eventually(PATIENCE, what, async || condition(&self.stand).await).await;
        if let Err(error) = waited {
            self.expect(vec![error.to_string()]).await;
        }
    }

    /// Fails with everything that was done, unless there is nothing wrong.
    async fn expect(&self, wrong: Vec<String>) {
        if wrong.is_empty() {
            return;
        }
        let log = self.stand.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(60)..].join("\n");
        let (seed, diary, status) = (self.seed, self.diary.join("\n"), self.stand.status().await);
        panic!("{diary}\n{tail}\n{status:#}\nseed {seed}: {}", wrong.join("\n"));
    }
}

/// `ENDURANCE_SEED=7 cargo test -p lockstep-tests endurance::day` plays another day.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_the_life_ends_with_the_last_commit() {
    let seed = std::env::var("ENDURANCE_SEED").map_or(1, |seed| seed.parse().unwrap());
    let began = Instant::now();
    let mut day = Day::new(seed).await;
    day.git.open(&day.stand, &mut day.dice);
    day.stand.start();
    let first = day.git.head.clone();
    day.until("the shop to open", async |stand| is_ready(&stand.status().await, &first)).await;
    for hour in 0..HOURS {
        day.hour(hour).await;
        println!("{:.1?}: the end of hour {hour}", began.elapsed());
    }
    day.end().await;
    println!("{:.1?}: the end of the day", began.elapsed());
    day.stand.stop().await;
}
