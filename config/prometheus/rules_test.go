// Package prometheus_test holds the alerts and the dashboard against what the operator exports, and the alerts against
// made-up series.
package prometheus_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// rule is an alert, or a query that is checked as a recording rule.
type rule struct {
	Alert       string            `json:"alert,omitempty"`
	Record      string            `json:"record,omitempty"`
	Expr        string            `json:"expr"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type group struct {
	Name  string `json:"name"`
	Rules []rule `json:"rules"`
}

type ruleFile struct {
	Groups []group `json:"groups"`
}

type panel struct {
	ID          int                `json:"id"`
	Type        string             `json:"type"`
	Title       string             `json:"title"`
	Description string             `json:"description"`
	GridPos     struct{ X, W int } `json:"gridPos"`
	Targets     []struct {
		Expr       string            `json:"expr"`
		Datasource map[string]string `json:"datasource"`
	} `json:"targets"`
}

type dashboard struct {
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []struct {
			Name string `json:"name"`
		} `json:"list"`
	} `json:"templating"`
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// rulesSpec is the spec of the PrometheusRule, which is a rule file, and that file parsed.
func rulesSpec(t *testing.T) (file []byte, parsed ruleFile) {
	t.Helper()
	var object struct {
		Spec json.RawMessage `json:"spec"`
	}
	if err := yaml.Unmarshal(read(t, "rules.yaml"), &object); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(object.Spec, &parsed); err != nil {
		t.Fatal(err)
	}
	file, err := yaml.JSONToYAML(object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return file, parsed
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(read(t, "dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// promtool runs it in a folder with the given files.
func promtool(t *testing.T, files map[string][]byte, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not on the PATH: it is part of Prometheus, on Debian apt-get install prometheus")
	}
	folder := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRules(t *testing.T) {
	spec, _ := rulesSpec(t)
	files := map[string][]byte{"rules.yaml": spec, "rules_test.yaml": read(t, "rules_test.yaml")}
	for name, args := range map[string][]string{
		"check": {"check", "rules", "--lint-fatal", "rules.yaml"},
		"test":  {"test", "rules", "rules_test.yaml"},
	} {
		t.Run(name, func(t *testing.T) { promtool(t, files, args...) })
	}
}

// Each alert says what to do, and rules_test.yaml has a moment at which it fires and one at which it doesn't.
func TestEachAlertIsTested(t *testing.T) {
	var tests struct {
		Tests []struct {
			Alerts []struct {
				Name string            `json:"alertname"`
				Want []json.RawMessage `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal(read(t, "rules_test.yaml"), &tests); err != nil {
		t.Fatal(err)
	}
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, alert := range test.Alerts {
			fires[alert.Name] = fires[alert.Name] || len(alert.Want) > 0
			rests[alert.Name] = rests[alert.Name] || len(alert.Want) == 0
		}
	}
	_, rules := rulesSpec(t)
	found := map[string]bool{}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			found[rule.Alert] = true
			if !fires[rule.Alert] || !rests[rule.Alert] {
				t.Errorf("%s: a test in which it fires: %v, one in which it doesn't: %v", rule.Alert, fires[rule.Alert], rests[rule.Alert])
			}
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s lacks a severity, a summary or a description", rule.Alert)
			}
		}
	}
	for name := range fires {
		if !found[name] {
			t.Errorf("rules_test.yaml tests %s, which rules.yaml does not have", name)
		}
	}
}

// Grafana says nothing of a broken dashboard but that it can't be imported, or leaves panels out.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.SchemaVersion != 39 {
		t.Errorf("schemaVersion is %d", d.SchemaVersion)
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	if want := []string{"datasource", "namespace", "audit"}; !slices.Equal(variables, want) {
		t.Errorf("its variables are %v, want %v", variables, want)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: there are two panels with ID %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d, %q, lacks a title, a description, a query or its place", p.ID, p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource["uid"] != "${datasource}" {
				t.Errorf("%s: its data source is not the variable", p.Title)
			}
		}
	}
}

// Each query parses once the variables have values.
func TestQueries(t *testing.T) {
	values := strings.NewReplacer("$namespace", "vision", "$audit", "cars")
	var queries []rule
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			expr := values.Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%s has a variable that is not known: %s", p.Title, expr)
			}
			queries = append(queries, rule{Record: "query:" + strconv.Itoa(len(queries)), Expr: expr})
		}
	}
	file, err := yaml.Marshal(ruleFile{Groups: []group{{Name: "dashboard", Rules: queries}}})
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, map[string][]byte{"queries.yaml": file}, "check", "rules", "queries.yaml")
}

var (
	ownMetric = regexp.MustCompile(`\bdatasetaudit_[a-z_]+`)
	histogram = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// defined are the metrics that the operator's sources name.
func defined(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, pattern := range []string{"../../controllers/*.go", "../../controllers/gate/*.go"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(node ast.Node) bool {
				if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					value, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					if ownMetric.FindString(value) == value {
						names[value] = true
					}
				}
				return true
			})
		}
	}
	return names
}

// A metric of another name gives no data, and an alert that never fires.
func TestMetricsExist(t *testing.T) {
	known := defined(t)
	if len(known) < 9 {
		t.Fatalf("only %d metrics were found", len(known))
	}
	for _, name := range []string{"rules.yaml", "dashboard.json"} {
		t.Run(name, func(t *testing.T) {
			found := ownMetric.FindAllString(string(read(t, name)), -1)
			if len(found) < 5 {
				t.Errorf("it names only the metrics %v", found)
			}
			for _, metric := range found {
				if !known[metric] && !known[histogram.ReplaceAllString(metric, "")] {
					t.Errorf("the operator does not export %s", metric)
				}
			}
		})
	}
}
