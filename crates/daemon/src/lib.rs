//! What every daemon needs: settings, telemetry, admin port, tasks, signals, TLS, exit codes.
