package mixture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"testing"
)

// scikitLearn fits what it reads, a list, and writes of each what a Model has. It exits with 77 where there is none.
const scikitLearn = `
import json, sys, warnings
try:
    import numpy as np
    from sklearn.mixture import GaussianMixture
except ImportError:
    sys.exit(77)
warnings.simplefilter("ignore")
def fit(a):
    k, d = len(a["Weights"]), a["D"]
    x = np.array(a["Data"]).reshape(-1, d)
    if a["Full"]:
        kind, precisions = "full", np.linalg.inv(np.array(a["Covariances"]).reshape(k, d, d))
    else:
        kind, precisions = "diag", 1 / np.array(a["Covariances"]).reshape(k, d)
    m = GaussianMixture(k, covariance_type=kind, weights_init=np.array(a["Weights"]),
                        means_init=np.array(a["Means"]).reshape(k, d), precisions_init=precisions, random_state=0).fit(x)
    return {"Weights": m.weights_.tolist(), "Means": m.means_.ravel().tolist(), "Covariances": m.covariances_.ravel().tolist(),
            "Iterations": int(m.n_iter_), "Converged": bool(m.converged_), "LogLikelihood": m.lower_bound_, "BIC": m.bic(x),
            "Densities": m.score_samples(x).tolist()}
json.dump([fit(a) for a in json.load(sys.stdin)], sys.stdout)
`

// learned is a fit of scikit-learn's.
type learned struct {
	Model
	BIC       float64
	Densities []float64
}

// learn has scikit-learn fit the inputs, and skips the test where there is none.
func learn(t *testing.T, inputs []map[string]any) (fits []learned) {
	t.Helper()
	const python = "/usr/bin/python3" // Debian's, which has Debian's libraries
	in, err := json.Marshal(inputs)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), python, "-c", scikitLearn)
	command.Env = append(command.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
	var stderr bytes.Buffer
	command.Stdin, command.Stderr = bytes.NewReader(in), &stderr
	out, err := command.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() != 77:
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	case err != nil:
		t.Skip("there is no scikit-learn here (python3-sklearn): ", err)
	}
	if err := json.Unmarshal(out, &fits); err != nil {
		t.Fatal(err)
	}
	return fits
}

// TestAgainstScikitLearn holds fits against scikit-learn's from the same start.
func TestAgainstScikitLearn(t *testing.T) {
	var names []string
	var inputs []map[string]any
	var matrices []Matrix
	var options []Options
	for _, kind := range kinds {
		for _, test := range []struct {
			n, d, k int
			apart   float64
		}{{500, 1, 2, 3}, {3000, 5, 3, 1}, {2500, 40, 5, 0.5}, {2500, 40, 5, 3}, {40, 3, 1, 0}} {
			x, _ := planted(random(21), test.n, test.d, test.k, test.apart)
			o := Defaults()
			o.Covariance, o.Shrinkage, o.Start = kind.covariance, 0, someStart(t, x, test.k, kind.covariance)
			names, matrices, options = append(names, fmt.Sprint(kind.name, test)), append(matrices, x), append(options, o)
			inputs = append(inputs, map[string]any{
				"Data": x.Data, "D": x.D, "Full": kind.covariance == Full,
				"Weights": o.Start.Weights, "Means": o.Start.Means, "Covariances": o.Start.Covariances,
			})
		}
	}
	for i, want := range learn(t, inputs) {
		t.Run(names[i], func(t *testing.T) {
			x := matrices[i]
			got := fit(t, x, options[i])
			values := densities(t, got, x, 2)
			if got.Iterations != want.Iterations || got.Converged != want.Converged {
				t.Errorf("%d steps, converged %v; scikit-learn %d, %v", got.Iterations, got.Converged, want.Iterations, want.Converged)
			}
			for _, pair := range []struct {
				name      string
				got, want []float64
			}{
				{"weights", got.Weights, want.Weights},
				{"means", got.Means, want.Means},
				{"covariances", got.Covariances, want.Covariances},
				{"log densities", values, want.Densities},
				{"the log likelihood", []float64{got.LogLikelihood}, []float64{want.LogLikelihood}},
				{"BIC/N", []float64{got.BIC(values) / float64(x.N)}, []float64{want.BIC / float64(x.N)}},
			} {
				furthest := deviation(t, pair.got, pair.want)
				t.Logf("after %d steps %s deviate by %.1e", got.Iterations, pair.name, furthest)
				if !(furthest < 1e-6) {
					t.Errorf("%s deviate by %g from scikit-learn's", pair.name, furthest)
				}
			}
		})
	}
}

// deviation returns the largest difference of two lists.
func deviation(t *testing.T, got, want []float64) (largest float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d numbers, scikit-learn has %d", len(got), len(want))
	}
	for i := range got {
		largest = max(largest, math.Abs(got[i]-want[i]))
	}
	return largest
}
