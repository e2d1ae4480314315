// Package parent ends a program when the one that started it is gone, however it
// went: the write end of the pipe on standard input closes with its last holder.
package parent

import (
	"io"
	"os"
	"time"
)

// Watch returns at once. With LOCKSTEP_PLANE_PARENT=stdin the program exits when its
// standard input ends, after removing the folder that LOCKSTEP_PLANE_REMOVE names.
func Watch() {
	if os.Getenv("LOCKSTEP_PLANE_PARENT") != "stdin" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		if folder := os.Getenv("LOCKSTEP_PLANE_REMOVE"); folder != "" {
			remove(folder)
		}
		os.Exit(0)
	}()
}

// remove tries again for a while: the other programs of the folder end at the same
// moment and may still be writing to it.
func remove(folder string) {
	for range 40 {
		_ = os.RemoveAll(folder)
		time.Sleep(50 * time.Millisecond)
		if _, err := os.Stat(folder); os.IsNotExist(err) {
			return
		}
	}
}
