// Package managers runs the tests' controllers as the operator runs its own.
package managers

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/datasetaudit/dataset-audit/controllers"
)

// New makes a manager with the operator's cache of all namespaces, without metrics. Several may have the same controllers.
func New(as *rest.Config, scheme *runtime.Scheme) (ctrl.Manager, error) {
	return ctrl.NewManager(as, ctrl.Options{
		Scheme: scheme, Cache: controllers.CacheOptions(nil), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{RecoverPanic: new(false), SkipNameValidation: new(true)},
	})
}

// Start runs a manager until stop is called. Fail is told at once if it ends with an error.
func Start(mgr ctrl.Manager, fail func(error)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := mgr.Start(ctx); err != nil {
			fail(err)
		}
	}()
	return func() { cancel(); <-done }
}
