package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
	"k8s.io/utils/lru"

	"github.com/datasetaudit/dataset-audit/config/crd"
)

const (
	// These are the names by which a rule sees a layer, the groups of the dataset, and the quality of its images.
	layerVariable   = "layer"
	groupsVariable  = "groups"
	qualityVariable = "quality"
	// maxEstimate bounds the cost of an expression over a layer with lists as long as the schema lets them be. As for
	// the rules of a CustomResourceDefinition it is more than one evaluation may cost: the estimate takes every text
	// for as long as can be.
	maxEstimate = celconfig.RuntimeCELCostBudget
	// maxCompiled bounds how many expressions are remembered.
	maxCompiled = 1024
)

// expression is an expression that compiled.
type expression struct {
	program cel.Program
	fields  []field
}

// outcome is what compiling came to: expressions that fail are remembered too.
type outcome struct {
	expression *expression
	err        error
}

var cache = lru.New(maxCompiled)

func compiled(text string) (*expression, error) {
	if known, ok := cache.Get(text); ok {
		o := known.(outcome)
		return o.expression, o.err
	}
	c, err := theCompiler()
	if err != nil {
		return nil, err
	}
	e, err := c.compile(text)
	cache.Add(text, outcome{e, err})
	return e, err
}

// variables are the CEL types of what a rule sees, and where in the CustomResourceDefinition they are described.
var variables = []struct {
	name, typeName string
	path           []string
}{
	{layerVariable, "LayerSummary", []string{"status", "result", "summary", "layers"}},
	{groupsVariable, "SummaryGroups", []string{"status", "result", "summary", "dataset", "groups"}},
	{qualityVariable, "QualitySummary", []string{"status", "result", "summary", "dataset", "quality"}},
}

// compiler is the environment of all expressions.
type compiler struct {
	env *cel.Env
	// types are those of the variables, by name.
	types map[string]*apiservercel.DeclType
}

// theCompiler is built once: it takes a moment.
var theCompiler = sync.OnceValues(newCompiler)

func newCompiler() (*compiler, error) {
	root, err := crd.Schema()
	if err != nil {
		return nil, err
	}
	c := &compiler{types: map[string]*apiservercel.DeclType{}}
	options := environment.VersionedOptions{IntroducedVersion: version.MajorMinor(1, 0)}
	for _, v := range variables {
		at := root
		for _, name := range v.path {
			property, ok := at.Properties[name]
			if !ok {
				return nil, fmt.Errorf("CustomResourceDefinition: no field %s on the way to %s", name, strings.Join(v.path, "."))
			}
			at = &property
		}
		if at.Items != nil {
			at = at.Items
		}
		declared := model.SchemaDeclType(at, false).MaybeAssignTypeName(v.typeName)
		c.types[v.name] = declared
		options.EnvOptions = append(options.EnvOptions, cel.Variable(v.name, declared.CelType()))
		options.DeclTypes = append(options.DeclTypes, declared)
	}
	set, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Extend(options)
	if err != nil {
		return nil, fmt.Errorf("CEL environment: %w", err)
	}
	// Rules are stored in the audits, and what compiled once must compile after an upgrade.
	c.env = set.StoredExpressionsEnv()
	return c, nil
}

func (c *compiler) compile(text string) (*expression, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("the expression is empty")
	}
	checked, issues := c.env.Compile(text)
	if issues.Err() != nil {
		return nil, describe(issues.Errors()[0])
	}
	if checked.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("the expression is of type %s, want bool: true means fulfilled", checked.OutputType())
	}
	fields, err := c.fields(checked.NativeRep())
	if err != nil {
		return nil, err
	}
	costs := &library.CostEstimator{SizeEstimator: sizes{c.types}}
	estimate, err := c.env.EstimateCost(checked, costs)
	if err != nil {
		return nil, fmt.Errorf("cost: %w", err)
	}
	if estimate.Max > maxEstimate {
		return nil, fmt.Errorf("the expression may cost more than %d units when lists and texts are as long as they may be: nest fewer loops, compare less text", maxEstimate)
	}
	program, err := c.env.Program(checked,
		cel.CostLimit(celconfig.PerCallLimit),
		cel.CostTracking(costs),
	)
	if err != nil {
		return nil, err
	}
	return &expression{program: program, fields: fields}, nil
}

// describe is an error of CEL as line:column: message, in words of a rule's author.
func describe(e *cel.Error) error {
	message := strings.TrimSuffix(e.Message, " (in container '')")
	switch {
	case strings.Contains(message, "no matching overload"):
		message += "; double(…) makes a number of an integer or a decimal, which is a string"
	case strings.HasPrefix(message, "Syntax error: token recognition error at: '="):
		message = "Syntax error: a single =; two values are compared by =="
	}
	if e.Location.Line() < 1 { // a limit of the parser, which has no place
		return errors.New(message)
	}
	return fmt.Errorf("%d:%d: %s", e.Location.Line(), e.Location.Column()+1, message)
}

// sizes tells the estimator of costs how long the schema lets lists and texts be.
type sizes struct {
	types map[string]*apiservercel.DeclType
}

// EstimateSize is the size of what stands at a path of fields and list items below a variable; nil if that is not
// known.
func (s sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	path := node.Path()
	if len(path) == 0 || s.types[path[0]] == nil {
		return nil
	}
	at := s.types[path[0]]
	for _, name := range path[1:] {
		if at = step(at, name); at == nil {
			return nil
		}
	}
	return &checker.SizeEstimate{Min: 0, Max: uint64(at.MaxElements)}
}

// EstimateCallCost leaves the cost of calls to Kubernetes' library.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// step is the type of a field, or of a list's items for "@items"; nil if there is none.
func step(from *apiservercel.DeclType, name string) *apiservercel.DeclType {
	if name == "@items" {
		return from.ElemType
	}
	if f, ok := from.Fields[name]; ok {
		return f.Type
	}
	return nil
}
