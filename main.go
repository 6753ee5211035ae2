// The manager runs the controllers: it makes of each DatasetAudit in the cluster the Jobs that audit a dataset.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
	_ "time/tzdata" // schedules have time zones, and the image has no files

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/controllers"
	"github.com/datasetaudit/dataset-audit/controllers/gate"
	"github.com/datasetaudit/dataset-audit/controllers/reports"
	"github.com/datasetaudit/dataset-audit/controllers/verdicts"
	"github.com/datasetaudit/dataset-audit/internal/evidence"
)

// version is set by the linker.
var version = "development"

// leaderElectionID is the Lease's name by default.
const leaderElectionID = "dataset-audit.datasetaudit.io"

// defaultRunsPerNamespace keeps one namespace from taking all, where there is a bound at all or none.
const defaultRunsPerNamespace = 10

// settings are the manager's flags.
type settings struct {
	metricsAddress, metricsCertificates string
	metricsInsecure                     bool
	probeAddress, pprofAddress          string
	leaderElection                      bool
	leaderElectionNamespace             string
	leaderElectionID                    string
	namespaces                          string
	concurrency                         int
	qps                                 float64
	burst                               int
	auditMetrics                        bool
	kueueGate                           bool
	verdicts, reports                   bool
	evidenceKey                         string
	options                             controllers.Options
	log                                 zap.Options
}

func (s *settings) bind(flags *flag.FlagSet) {
	flags.StringVar(&s.metricsAddress, "metrics-bind-address", ":8443", "address of the metrics, over TLS, for whom the API server authorizes to get /metrics; 0 turns them off")
	flags.BoolVar(&s.metricsInsecure, "metrics-insecure", false, "serve the metrics over HTTP to anyone: only for development")
	flags.StringVar(&s.metricsCertificates, "metrics-cert-dir", "", "folder with tls.crt and tls.key for the metrics; absent: a self-signed certificate")
	flags.StringVar(&s.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")
	flags.StringVar(&s.pprofAddress, "pprof-bind-address", "", "address of net/http/pprof, such as 127.0.0.1:6060; absent: none")
	flags.BoolVar(&s.leaderElection, "leader-elect", false, "let one replica of several work; needed for more than one")
	flags.StringVar(&s.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the Lease; absent: the manager's own")
	flags.StringVar(&s.leaderElectionID, "leader-election-id", leaderElectionID, "name of the Lease: replicas of one installation share it")
	flags.StringVar(&s.namespaces, "namespaces", "", "namespaces to watch, separated by commas; absent: all")
	flags.IntVar(&s.concurrency, "max-concurrent-reconciles", 4, "audits that are looked at at once")
	flags.Float64Var(&s.qps, "kube-api-qps", 50, "requests a second to the API server")
	flags.IntVar(&s.burst, "kube-api-burst", 100, "requests at once to the API server")
	flags.BoolVar(&s.auditMetrics, "audit-metrics", true, "give figures of each audit as metrics")
	flags.StringVar(&s.options.RunnerImage, "runner-image", "", "image of the runner for the CPU, best by digest")
	flags.StringVar(&s.options.RunnerCUDAImage, "runner-cuda-image", "", "image of the runner for NVIDIA GPUs, best by digest")
	flags.StringVar(&s.options.RunnerAMDImage, "runner-amd-image", "", "image of the runner for AMD GPUs; absent: audits that ask for amd.com resources name one")
	flags.StringVar(&s.options.RunnerIntelImage, "runner-intel-image", "", "image of the runner for Intel GPUs; absent: audits that ask for gpu.intel.com resources name one")
	flags.StringVar(&s.options.RunnerArch, "runner-arch", goruntime.GOARCH, "architecture of the nodes that the runner's images are for, as kubernetes.io/arch has it; empty for images of several")
	flags.StringVar((*string)(&s.options.Identity), "pod-identity", string(v1alpha1.IdentityOperator), "who chooses user and groups of the runners' pods: Operator, or Platform as OpenShift wants it")
	flags.StringVar(&s.options.CABundle, "runner-ca-configmap", "", "ConfigMap in the audits' namespaces whose key ca.crt the runners trust too; where it is absent nothing is added")
	flags.IntVar(&s.options.MaxActiveRuns, "max-active-runs", 0, "runs that work at once, those in a queue of Kueue not counted; 0: no bound")
	flags.IntVar(&s.options.MaxActiveRunsPerNamespace, "max-active-runs-per-namespace", defaultRunsPerNamespace, "live runs of a namespace, those in a queue of Kueue not counted; 0: no bound")
	flags.BoolVar(&s.kueueGate, "kueue-gate", false, "answer the AdmissionChecks of Kueue whose controllerName is datasetaudit.io/compliance: workloads start when the audits of their datasets are compliant")
	flags.BoolVar(&s.reports, "reports", false, "write a Report of OpenReports and a PolicyReport for each audit, where the cluster has these kinds")
	flags.BoolVar(&s.verdicts, "verdicts", false, "write the verdicts of each namespace's audits into an object DatasetVerdicts, which admission policies read")
	flags.StringVar(&s.evidenceKey, "evidence-key", "", "file with a private key, PEM, ECDSA or Ed25519: sign what audits come to, into their AuditRecords")
	s.log.BindFlags(flags)
}

func main() {
	var s settings
	s.bind(flag.CommandLine)
	showVersion := flag.Bool("version", false, "print the version and end")
	flag.Parse()
	if *showVersion {
		fmt.Println(version)
		return
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&s.log)))
	if err := run(ctrl.SetupSignalHandler(), &s); err != nil {
		ctrl.Log.Error(err, "the manager ends")
		os.Exit(1)
	}
}

func run(ctx context.Context, s *settings) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if s.options.MaxActiveRuns < 0 || s.options.MaxActiveRunsPerNamespace < 0 {
		return errors.New("--max-active-runs and --max-active-runs-per-namespace must not be negative")
	}
	if s.options.Identity != v1alpha1.IdentityOperator && s.options.Identity != v1alpha1.IdentityPlatform {
		return fmt.Errorf("--pod-identity: %q is not Operator or Platform", s.options.Identity)
	}
	if s.options.RunnerImage == "" && s.options.RunnerCUDAImage == "" {
		ctrl.Log.Info("neither --runner-image nor --runner-cuda-image is set: audits must name runner.image")
	}
	s.options.RunnerEnv = proxy(os.LookupEnv)
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("connect to the API server: %w", err)
	}
	config.QPS, config.Burst = float32(s.qps), s.burst
	mgr, err := newManager(config, s)
	if err != nil {
		return err
	}
	ctrl.Log.Info("starting", "version", version)
	return mgr.Start(ctx)
}

func newManager(config *rest.Config, s *settings) (ctrl.Manager, error) {
	namespaces := strings.FieldsFunc(s.namespaces, func(r rune) bool { return r == ',' || r == ' ' })
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         controllers.CacheOptions(namespaces),
		Metrics:                       s.metricsOptions(),
		HealthProbeBindAddress:        s.probeAddress,
		PprofBindAddress:              s.pprofAddress,
		LeaderElection:                s.leaderElection,
		LeaderElectionID:              s.leaderElectionID,
		LeaderElectionNamespace:       s.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true, // the process ends with its manager
	})
	if err != nil {
		return nil, fmt.Errorf("manager: %w", err)
	}
	key, err := s.key()
	if err != nil {
		return nil, fmt.Errorf("--evidence-key: %w", err)
	}
	reconciler := &controllers.Reconciler{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("dataset-audit"),
		Clock: clock.RealClock{}, Options: s.options, MaxConcurrent: s.concurrency,
		Evidence: key, Version: version,
		Platform: len(namespaces) == 0, // roles of some namespaces don't reach what is the cluster's
	}
	if err := reconciler.SetupWithManager(context.Background(), mgr); err != nil {
		return nil, err
	}
	if s.kueueGate {
		utilruntime.Must(kueue.AddToScheme(scheme))
		g := &gate.Gate{
			Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("dataset-audit-gate"),
			Clock: clock.RealClock{}, Namespaces: namespaces,
		}
		if err := g.SetupWithManager(mgr); err != nil {
			return nil, fmt.Errorf("gate: %w", err)
		}
	}
	if s.verdicts {
		if err := (&verdicts.Writer{Client: mgr.GetClient()}).SetupWithManager(mgr); err != nil {
			return nil, fmt.Errorf("verdicts: %w", err)
		}
	}
	if s.reports {
		if err := (&reports.Writer{Client: mgr.GetClient(), Clock: clock.RealClock{}}).SetupWithManager(mgr); err != nil {
			return nil, fmt.Errorf("reports: %w", err)
		}
	}
	if err := metrics.Registry.Register(&controllers.Collector{Reader: mgr.GetClient(), PerAudit: s.auditMetrics}); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return mgr, errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("ping", healthz.Ping),
	)
}

// key is what evidence is signed with; nil if it is not.
func (s *settings) key() (*evidence.Key, error) {
	if s.evidenceKey == "" {
		return nil, nil
	}
	data, err := os.ReadFile(s.evidenceKey)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	key, err := evidence.ReadKey(data)
	if err == nil && !key.CanSign() {
		err = errors.New("it is a public key: give the private one")
	}
	return key, err
}

func (s *settings) metricsOptions() metricsserver.Options {
	options := metricsserver.Options{BindAddress: s.metricsAddress, CertDir: s.metricsCertificates}
	if s.metricsInsecure {
		return options
	}
	options.SecureServing = true
	options.FilterProvider = filters.WithAuthenticationAndAuthorization
	options.TLSOpts = []func(*tls.Config){func(c *tls.Config) {
		c.MinVersion = tls.VersionTLS12
		c.NextProtos = []string{"http/1.1"} // HTTP/2 has been a way to exhaust servers, and scrapes gain nothing by it
	}}
	return options
}

// proxy is the environment that tells the runners of proxies, as it tells the manager. They reach the API server
// without one.
func proxy(lookup func(string) (string, bool)) []corev1.EnvVar {
	var env []corev1.EnvVar
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		if value, ok := lookup(name); ok {
			env = append(env, corev1.EnvVar{Name: name, Value: value})
		}
	}
	server, inCluster := lookup("KUBERNETES_SERVICE_HOST")
	exempt := len(env) > 0 && inCluster
	// Programs differ in which spelling they read first, so both hold all: a new one must not hide what the other
	// exempts.
	for _, names := range [][2]string{{"NO_PROXY", "no_proxy"}, {"no_proxy", "NO_PROXY"}} {
		value, ok := lookup(names[0])
		if !ok {
			if !exempt {
				continue
			}
			value, _ = lookup(names[1])
		}
		switch {
		case value == "":
			value = server
		case inCluster:
			value += "," + server
		}
		env = append(env, corev1.EnvVar{Name: names[0], Value: value})
	}
	return env
}
