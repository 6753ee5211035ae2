// Command cluster runs a real Kubernetes on one Linux machine, as root and without Docker: a control plane, two nodes
// with kubelets and containerd, services, volumes and a registry.
//
// Each node is a process with mounts, processes and a network of its own. Whoever kills it ends everything in it, and
// nothing of it is seen outside but a bridge, cgroups and the cluster's folder, which `down` removes, after a crash
// too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: cluster [flags] command

  up               bring the cluster up, or say that it is
  down             remove it and all that it left
  status           say what runs
  restart PROGRAM  kill a program, such as kube-apiserver, which is started again at once
  nsenter NODE COMMAND...
                   run a command in a node's namespaces
`

func main() {
	c := &cluster{}
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flag.PrintDefaults()
	}
	flag.StringVar(&c.folder, "folder", "/var/tmp/dataset-audit-cluster", "where everything of the cluster lies")
	flag.StringVar(&c.programs, "programs", "", "folder of etcd, kubectl and the kube-* programs")
	flag.StringVar(&c.runtime, "runtime", "", "folder of containerd and its shim")
	flag.StringVar(&c.policies, "policies", "", "folder of kube-router, which enforces network policies")
	flag.StringVar(&c.dns, "dns", "", "folder of the name server")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		os.Exit(1)
	}
}

func (c *cluster) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if os.Geteuid() != 0 {
		return errors.New("must be root: it makes namespaces, mounts and a bridge")
	}
	switch command := args[0]; {
	case command == "up" && len(args) == 1:
		if err := c.lock(); err != nil {
			return err
		}
		return c.up(ctx)
	case command == "down" && len(args) == 1:
		if err := c.lock(); err != nil {
			return err
		}
		return c.down()
	case command == "status" && len(args) == 1:
		return c.status(ctx)
	case command == "restart" && len(args) == 2:
		return c.restart(args[1])
	case command == "nsenter" && len(args) > 2:
		return c.enter(args[1], args[2:])
	case command == "node" && len(args) == 2: // by itself, in a node's namespaces
		return beNode(args[1])
	case command == "volumes" && len(args) == 1: // by itself, on the first node
		return c.recycle(ctx)
	case command == "registry" && len(args) == 1: // by itself, in the background
		return c.serveRegistry()
	}
	flag.Usage()
	os.Exit(2)
	return nil
}
