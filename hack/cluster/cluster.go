package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The cluster's networks. They must not be those of the machine.
const (
	bridge        = "da-cluster"
	hostAddress   = "10.255.77.1"
	podNetwork    = "10.254.0.0/16"
	serviceRange  = "10.253.0.0/16"
	apiService    = "10.253.0.1"
	dnsService    = "10.253.0.10"
	registryPort  = "5000"
	registryName  = hostAddress + ":" + registryPort
	apiServerPort = "6443"
)

// node is one of the cluster's machines.
type node struct {
	Name    string
	Address string
	// Pods is the network of its pods, by its first three bytes.
	Pods string
}

// nodes of a cluster. The first one has the control plane.
var nodes = []node{
	{Name: "node1", Address: "10.255.77.2", Pods: "10.254.1"},
	{Name: "node2", Address: "10.255.77.3", Pods: "10.254.2"},
}

// cluster is what the flags say.
type cluster struct {
	folder, programs, runtime, policies, dns string
}

func (c *cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.folder}, parts...)...)
}

func (c *cluster) kubeconfig() string { return c.path("kubeconfig") }

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "cluster: "+format+"\n", args...) }

// up brings the cluster up. What a broken one left is removed first.
func (c *cluster) up(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	if len(c.running()) == len(processes()) {
		if err := c.waitForNodes(ctx); err == nil {
			say("is up: export KUBECONFIG=%s", c.kubeconfig())
			return nil
		}
		say("runs, but is not well: making it again")
	}
	begin := time.Now()
	if err := c.down(); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"folder", c.makeFolder},
		{"certificates", c.writeCertificates},
		{"configuration", c.writeConfiguration},
		{"network", c.makeBridge},
		{"cgroups", makeCgroups},
		{"registry", func() error { return c.startRegistry(ctx) }},
		{"nodes", c.startNodes},
		{"API server to be ready", func() error { return c.waitForAPIServer(ctx) }},
		{"volumes", func() error { return c.makeVolumes(ctx) }},
		{"names", func() error { return c.apply(ctx, names) }},
		{"nodes to be ready", func() error { return c.waitForNodes(ctx) }},
	} {
		say("%s", step.what)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w (logs are in %s)", step.what, err, c.folder)
		}
	}
	say("up after %s: export KUBECONFIG=%s", time.Since(begin).Round(time.Second), c.kubeconfig())
	return nil
}

// check finds what the machine lacks before anything is begun.
func (c *cluster) check() error {
	// Where a node sees folders of its own instead of the machine's.
	for _, hidden := range hiddenFolders {
		for _, folder := range []string{c.folder, c.programs, c.runtime, c.policies, c.dns} {
			if strings.HasPrefix(folder+"/", hidden+"/") {
				return fmt.Errorf("%s is under %s, which nodes don't see: put it elsewhere (CLUSTER_FOLDER, XDG_CACHE_HOME)", folder, hidden)
			}
		}
	}
	var lacks []string
	for _, program := range []string{"ip", "nft", "iptables", "mount", "nsenter", "runc", "conntrack", "ipset"} {
		if _, err := exec.LookPath(program); err != nil {
			lacks = append(lacks, program)
		}
	}
	for _, file := range []string{
		cniPlugins + "/bridge", c.programs + "/kubelet", c.programs + "/kube-apiserver", c.runtime + "/containerd", c.policies + "/kube-router", c.dns + "/dns",
	} {
		if _, err := os.Stat(file); err != nil {
			lacks = append(lacks, file)
		}
	}
	if len(lacks) > 0 {
		return fmt.Errorf("there is no %s", strings.Join(lacks, ", "))
	}
	return nil
}

func (c *cluster) healthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := c.kubectl(ctx, "", "get", "nodes", "-o", `jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}`)
	return err == nil && strings.Count(out, "True") == len(nodes)
}

// kubectl as an administrator.
func (c *cluster) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.programs, "kubectl"), append([]string{"--kubeconfig=" + c.kubeconfig()}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("kubectl %s: %s", args[0], strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}

func (c *cluster) apply(ctx context.Context, manifest string) error {
	_, err := c.kubectl(ctx, manifest, "apply", "--server-side", "-f", "-")
	return err
}

// patience is how long a part of the cluster may take to come up.
const patience = 2 * time.Minute

func wait(ctx context.Context, what string, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *cluster) waitForAPIServer(ctx context.Context) error {
	return wait(ctx, "it is not", func() error {
		if _, err := c.kubectl(ctx, "", "get", "--raw", "/readyz"); err != nil {
			return errors.New("/readyz says no")
		}
		return nil
	})
}

func (c *cluster) waitForNodes(ctx context.Context) error {
	return wait(ctx, "they are not", func() error {
		if !c.healthy(ctx) {
			return errors.New("a node is not Ready")
		}
		return nil
	})
}

// down removes the cluster, whatever state it is in.
func (c *cluster) down() error {
	var problems []error
	for _, name := range c.running() {
		say("killing %s", name)
		problems = append(problems, kill(c.pid(name)))
	}
	problems = append(problems, removeBridge(), removeCgroups())
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return c.removeFolder()
}

// processes are what of a cluster runs in the background.
func processes() []string { return append([]string{"registry"}, nodeNames()...) }

// running are those of them that do.
func (c *cluster) running() []string {
	return slices.DeleteFunc(processes(), func(name string) bool { return c.pid(name) == 0 })
}

func nodeNames() []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return out
}

// pid is that of a background process of the cluster, or 0 if it doesn't run.
func (c *cluster) pid(name string) int {
	data, err := os.ReadFile(c.path(name, "pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	// The number may be somebody else's by now.
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), "\x00--folder="+c.folder+"\x00") {
		return 0
	}
	return pid
}

// kill ends a process and waits until it, and with a node all in it, is gone.
func kill(pid int) error {
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for range 300 {
		if syscall.Kill(pid, 0) != nil || isZombie(pid) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("process %d can't be killed", pid)
}

func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}

// status says what runs.
func (c *cluster) status(ctx context.Context) error {
	for _, name := range processes() {
		state := "does not run"
		if pid := c.pid(name); pid > 0 {
			state = fmt.Sprintf("runs, process %d", pid)
		}
		fmt.Printf("%-10s %s\n", name, state)
	}
	if c.pid(nodes[0].Name) == 0 {
		return errors.New("there is no cluster: up makes one")
	}
	out, err := c.kubectl(ctx, "", "get", "nodes,pods", "-A", "-o", "wide")
	fmt.Print(out)
	return err
}

// restart kills a program of the cluster; its node starts it again.
func (c *cluster) restart(program string) error {
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	found := 0
	for _, file := range processes {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(string(line), "\x00")
		if filepath.Base(args[0]) != program || !strings.Contains(string(line), c.folder) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("kill %s: %w", program, err)
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("no %s runs", program)
	}
	return nil
}

// enter runs a command in a node's namespaces.
func (c *cluster) enter(name string, command []string) error {
	pid := c.pid(name)
	if pid == 0 {
		return fmt.Errorf("%s does not run", name)
	}
	cmd := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(pid), "-m", "-n", "-p", "-u", "--"}, command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// background starts this program again, as something that outlives this call.
func (c *cluster) background(name string, attributes *syscall.SysProcAttr, args ...string) (*exec.Cmd, error) {
	log, err := os.OpenFile(c.path(name, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe", append([]string{"--folder=" + c.folder}, args...)...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, attributes
	return cmd, nil
}

func (c *cluster) writePID(name string, pid int) error {
	return os.WriteFile(c.path(name, "pid"), []byte(strconv.Itoa(pid)), 0o600)
}

func writeJSON(file string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
