package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is one that a node keeps running.
type program struct {
	Name string
	Args []string
}

// machine is all that a node needs to know, as it is written into its folder.
type machine struct {
	Node     node
	Folder   string
	Path     string
	Programs []program
}

// startNodes starts a process in namespaces of its own for each node.
func (c *cluster) startNodes() error {
	for _, n := range nodes {
		cmd, err := c.background(n.Name, &syscall.SysProcAttr{
			Setsid:     true,
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS,
		}, "node", c.path(n.Name))
		if err != nil {
			return err
		}
		gate, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		if err := c.writePID(n.Name, cmd.Process.Pid); err != nil {
			return err
		}
		if err := plug(n, cmd.Process.Pid); err != nil {
			return err
		}
		if err := gate.Close(); err != nil { // its network is there
			return err
		}
	}
	return nil
}

// beNode is the first process in a node's namespaces: it sets them up, and keeps the node's programs running.
func beNode(folder string) error {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(folder, "machine.json"))
	if err != nil {
		return err
	}
	var m machine
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	if err := m.mount(); err != nil {
		return fmt.Errorf("mounts of %s: %w", m.Node.Name, err)
	}
	if err := syscall.Sethostname([]byte(m.Node.Name)); err != nil {
		return fmt.Errorf("name of %s: %w", m.Node.Name, err)
	}
	if err := connect(m.Node); err != nil {
		return fmt.Errorf("network of %s: %w", m.Node.Name, err)
	}
	return m.supervise()
}

// mount gives the node folders of its own where programs insist on one of the machine's. Nothing of it is seen outside.
func (m *machine) mount() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	if err := m.coverSysctls(); err != nil {
		return err
	}
	for _, folder := range hiddenFolders {
		if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	for _, folder := range []string{"/var/lib/kubelet", "/var/lib/cni", "/var/log/pods"} {
		source := filepath.Join(m.Folder, folder)
		if err := os.MkdirAll(source, 0o755); err != nil {
			return err
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(source, folder, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, "") // as kubelet and containerd want it among themselves
}

// hiddenFolders are those of the machine that a node has its own of.
var hiddenFolders = []string{"/run", "/var/lib", "/var/log"}

// kubeletSysctls are what a kubelet sets, for the whole machine, where it finds something else.
var kubeletSysctls = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// coverSysctls lets the kubelet find what it wants, so that it leaves the machine's own settings alone.
func (m *machine) coverSysctls() error {
	for name, value := range kubeletSysctls {
		cover := filepath.Join(m.Folder, "sysctls", strings.ReplaceAll(name, "/", "."))
		if err := os.MkdirAll(filepath.Dir(cover), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(cover, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := syscall.Mount(cover, "/proc/sys/"+name, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("/proc/sys/%s: %w", name, err)
		}
	}
	return nil
}

// restartDelay is between the end of a program and its next start.
const restartDelay = time.Second

// supervise starts the programs, starts those that end again, and reaps what else ends here: it is process 1.
func (m *machine) supervise() error {
	var mu sync.Mutex
	running := map[int]program{}
	var start func(p program)
	start = func(p program) {
		mu.Lock()
		defer mu.Unlock()
		pid, err := m.start(p)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
			time.AfterFunc(restartDelay, func() { start(p) })
			return
		}
		running[pid] = p
	}
	for _, p := range m.Programs {
		start(p)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(0) // which ends all that is in the namespace
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err != nil {
			time.Sleep(restartDelay) // nothing runs, or a signal came
			continue
		}
		mu.Lock()
		p, ours := running[pid]
		delete(running, pid)
		mu.Unlock()
		if ours {
			fmt.Fprintf(os.Stderr, "%s %s ended with status %d: starting it again\n", time.Now().Format(time.RFC3339), p.Name, status)
			time.AfterFunc(restartDelay, func() { start(p) })
		}
	}
}

func (m *machine) start(p program) (pid int, err error) {
	log, err := os.OpenFile(filepath.Join(m.Folder, p.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	return syscall.ForkExec(p.Args[0], p.Args, &syscall.ProcAttr{
		Dir: "/", Env: []string{"PATH=" + m.Path, "HOME=/root"},
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}
