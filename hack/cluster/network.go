package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// cniPlugins is where Debian's containernetworking-plugins are.
const cniPlugins = "/usr/lib/cni"

// run is a command whose output is part of its error.
func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func runAll(commands ...string) error {
	for _, command := range commands {
		fields := strings.Fields(command)
		if err := run(fields[0], fields[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// makeBridge makes what the nodes are plugged into. The machine reaches them by it, and they reach the machine.
func (c *cluster) makeBridge() error {
	return runAll(
		"ip link add "+bridge+" type bridge",
		"ip address add "+hostAddress+"/24 dev "+bridge,
		"ip link set "+bridge+" up",
	)
}

// removeBridge removes it and its cables: a cable goes with its node, but only some time after it.
func removeBridge() error {
	links := []string{bridge}
	for _, n := range nodes {
		links = append(links, cableOf(n))
	}
	for _, link := range links {
		if exec.Command("ip", "link", "show", link).Run() != nil {
			continue
		}
		if err := run("ip", "link", "delete", link); err != nil && exec.Command("ip", "link", "show", link).Run() == nil {
			return err
		}
	}
	return nil
}

func cableOf(n node) string { return "da-" + n.Name }

// plug connects the network of a node's process with the bridge. The cable goes with the node.
func plug(n node, pid int) error {
	cable := cableOf(n)
	return runAll(
		"ip link add "+cable+" type veth peer name eth0 netns "+strconv.Itoa(pid),
		"ip link set "+cable+" master "+bridge+" up",
	)
}

// connect sets up the network of a node, from within. What pods send to other pods keeps its sender, for policies; what
// leaves the cluster is the node's.
func connect(n node) error {
	commands := []string{
		"ip link set lo up",
		"ip address add " + n.Address + "/24 dev eth0",
		"ip link set eth0 up",
		"ip route add default via " + hostAddress,
		"sysctl -qw net.ipv4.ip_forward=1",
		"nft add table ip cluster",
		"nft add chain ip cluster leaving { type nat hook postrouting priority 100 ; }",
		"nft add rule ip cluster leaving ip saddr " + podNetwork + " ip daddr != { " + podNetwork + " , " + serviceRange + " } masquerade",
	}
	for _, other := range nodes {
		if other.Name != n.Name {
			commands = append(commands, "ip route add "+other.Pods+".0/24 via "+other.Address)
		}
	}
	return runAll(commands...)
}
