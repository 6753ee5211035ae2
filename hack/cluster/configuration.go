package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeConfiguration writes what each node is and runs into the node's folder.
func (c *cluster) writeConfiguration() error {
	if err := os.MkdirAll(c.path("registry", "blobs"), 0o700); err != nil {
		return err
	}
	for i, n := range nodes {
		folder := c.path(n.Name)
		if err := os.MkdirAll(filepath.Join(folder, "cni"), 0o755); err != nil {
			return err
		}
		hosts := filepath.Join(folder, "registries", registryName)
		if err := os.MkdirAll(hosts, 0o755); err != nil {
			return err
		}
		for file, text := range map[string]string{
			"containerd.toml":   c.containerdConfig(n),
			"kubelet.yaml":      c.kubeletConfig(n),
			"kube-proxy.yaml":   c.proxyConfig(n),
			"Corefile":          c.nameServerConfig(),
			"cni/pods.conflist": podsConfig(n),
			"resolv.conf":       "",
			"registries/" + registryName + "/hosts.toml": fmt.Sprintf("server = \"http://%s\"\n", registryName),
		} {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
				return err
			}
		}
		m := machine{
			Node: n, Folder: folder,
			Path: c.runtime + ":" + c.programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		}
		if i == 0 {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			m.Programs = append(c.controlPlane(), program{"volumes", []string{self, "--folder=" + c.folder, "volumes"}})
		}
		m.Programs = append(m.Programs, c.worker(n)...)
		if err := writeJSON(filepath.Join(folder, "machine.json"), m); err != nil {
			return err
		}
	}
	return nil
}

// controlPlane are the programs of the first node only.
func (c *cluster) controlPlane() []program {
	pki := func(file string) string { return c.path("pki", file) }
	kubeconfig := func(name string) string { return "--kubeconfig=" + pki(name+".kubeconfig") }
	return []program{
		c.program("etcd", "--data-dir="+c.path("etcd"), "--unsafe-no-fsync", "--log-level=warn"),
		c.program("kube-apiserver",
			"--etcd-servers=http://127.0.0.1:2379",
			"--advertise-address="+nodes[0].Address, "--secure-port="+apiServerPort,
			"--service-cluster-ip-range="+serviceRange,
			"--tls-cert-file="+pki("apiserver.crt"), "--tls-private-key-file="+pki("apiserver.key"), "--client-ca-file="+pki("ca.crt"),
			"--kubelet-client-certificate="+pki("apiserver-kubelet.crt"), "--kubelet-client-key="+pki("apiserver-kubelet.key"),
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file="+pki("service-accounts.pub"), "--service-account-signing-key-file="+pki("service-accounts.key"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		),
		c.program("kube-controller-manager", kubeconfig("kube-controller-manager"),
			"--root-ca-file="+pki("ca.crt"), "--service-account-private-key-file="+pki("service-accounts.key"),
			"--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1",
			"--node-monitor-grace-period=16s",
		),
		c.program("kube-scheduler", kubeconfig("kube-scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1"),
		{"dns", []string{filepath.Join(c.dns, "dns"), "-conf=" + c.path(nodes[0].Name, "Corefile")}},
	}
}

func (c *cluster) program(name string, args ...string) program {
	return program{name, append([]string{filepath.Join(c.programs, name)}, args...)}
}

// worker are the programs of every node.
func (c *cluster) worker(n node) []program {
	return []program{
		{"containerd", []string{filepath.Join(c.runtime, "containerd"), "--config=" + c.path(n.Name, "containerd.toml")}},
		c.program("kubelet", "--kubeconfig="+c.path("pki", n.Name+".kubeconfig"), "--config="+c.path(n.Name, "kubelet.yaml"),
			"--hostname-override="+n.Name, "--node-ip="+n.Address),
		c.program("kube-proxy", "--config="+c.path(n.Name, "kube-proxy.yaml")),
		{"kube-router", []string{
			filepath.Join(c.policies, "kube-router"), "--kubeconfig=" + c.path("pki", "kube-router.kubeconfig"), "--hostname-override=" + n.Name,
			"--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--service-cluster-ip-range=" + serviceRange, "--health-port=0",
		}},
	}
}

// restrict_oom_score_adj is for machines whose root may not lower it.
func (c *cluster) containerdConfig(n node) string {
	return fmt.Sprintf(`version = 3
root = %[1]q
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = %[2]q
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = %[3]q
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
disable_apparmor = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [%[4]q]
conf_dir = %[5]q
`, c.path(n.Name, "containerd"), pauseImage, c.path(n.Name, "registries"), cniPlugins, c.path(n.Name, "cni"))
}

func (c *cluster) kubeletConfig(n node) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[1]q}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /%[2]s/%[3]s
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
localStorageCapacityIsolation: false # the kubelet does not find the size of some root file systems
makeIPTablesUtilChains: false
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
clusterDNS: [%[4]q]
clusterDomain: cluster.local
resolvConf: %[5]q
nodeStatusUpdateFrequency: 4s
`, c.path("pki", "ca.crt"), cgroup, n.Name, dnsService, c.path(n.Name, "resolv.conf"))
}

func (c *cluster) proxyConfig(n node) string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: %s
hostnameOverride: %s
clientConnection: {kubeconfig: %q}
conntrack: {maxPerCore: 0}
`, podNetwork, n.Name, c.path("pki", "kube-proxy.kubeconfig"))
}

func (c *cluster) nameServerConfig() string {
	return fmt.Sprintf(`.:53 {
  errors
  cache 5
  kubernetes cluster.local in-addr.arpa {
    kubeconfig %s
    ttl 5
  }
}
`, c.path("pki", "dns.kubeconfig"))
}

// names lets the name server and who enforces policies read what they need, and pods reach the former as a service.
var names = fmt.Sprintf(`---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: kube-router}
rules:
- {apiGroups: [""], resources: [services, namespaces, pods, nodes, endpoints], verbs: [get, list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
- {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: kube-router}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kube-router}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: kube-router}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: dns}
rules:
- {apiGroups: [""], resources: [services, namespaces, pods], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: dns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: dns}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: dns}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: %s
  ports: [{name: dns, protocol: UDP, port: 53}, {name: dns-tcp, protocol: TCP, port: 53}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: [%q], conditions: {ready: true}}]
ports: [{name: dns, protocol: UDP, port: 53}, {name: dns-tcp, protocol: TCP, port: 53}]
`, dnsService, nodes[0].Address)

func podsConfig(n node) string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0", "name": "pods",
  "plugins": [{
    "type": "bridge", "bridge": "pods", "isDefaultGateway": true, "hairpinMode": true,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "%s.0/24"}]]}
  }]
}
`, n.Pods)
}
