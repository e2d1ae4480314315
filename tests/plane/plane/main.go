// Command plane is etcd, kube-apiserver, kube-controller-manager, kube-scheduler
// and the distribution registry in one binary. Its first argument says which.
//
// The versions are those of go.mod. Nothing here is changed from upstream: the
// tests talk to the real programs.
package main

import (
	"fmt"
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"lockstep.dev/plane/parent"
)

func main() {
	if len(os.Args) < 2 {
		fail("which program?")
	}
	parent.Watch()
	program := os.Args[1]
	os.Args = append([]string{program}, os.Args[2:]...)
	switch program {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		run(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		run(controllers.NewControllerManagerCommand())
	case "kube-scheduler":
		run(scheduler.NewSchedulerCommand())
	case "registry":
		// Not through cli.Run: its flags collide with the registry's.
		if err := registry.RootCmd.Execute(); err != nil {
			os.Exit(1)
		}
	default:
		fail(fmt.Sprintf("no program named %q", program))
	}
}

func run(command *cobra.Command) { os.Exit(cli.Run(command)) }

func fail(message string) {
	fmt.Fprintf(os.Stderr, "plane: %s\nusage: plane etcd|kube-apiserver|kube-controller-manager|kube-scheduler|registry [FLAGS]\n", message)
	os.Exit(2)
}
