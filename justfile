# Nothing here needs `just`: each recipe is the cargo command that it shows.

# The story on real parts: push, commit, rollout, drift, prune, revert.
demo *args:
    cargo demo {{args}}

# Every test, on a real control plane, registry and Git server.
test:
    cargo test --workspace

# What .ci/run checks besides the tests.
lint:
    cargo fmt --check
    cargo lint

# The demo, played and interrupted.
test-demo:
    cargo test --package lockstep-cli --features demo --test demo

# What the installed daemons cost beside what bare clients need. Arguments: --only pure,synchronizer,automator --sizes 1000,10000
# --memory 50000 --syncs 1000 --rest 600 --repositories 100,1000 --recorded 10000 --rounds 20 --write FILE.
bench *args:
    cargo build --release --package lockstep-automator --package lockstep-synchronizer
    cargo run --release --package lockstep-testkit --bin lockstep-bench -- {{args}}

# Advisories, licences, sources.
deny:
    cargo deny check

# Writes the generated files again (the CRD, golden values).
renew:
    UPDATE_EXPECT=1 cargo test --workspace

# Everything that CI does.
ci:
    .ci/run
