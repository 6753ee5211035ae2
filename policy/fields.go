package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

// field is a field of a variable that an expression reads.
type field struct {
	// path is the variable and the names below it: layer, leakage, samples.
	path   []string
	scalar bool
	// lists are what is read with it, such as layer.leakage.pairs.
	lists []string
}

// String is the field as the expression has it, such as layer.leakage.samples.
func (f field) String() string { return dotted(f.path) }

func dotted(path []string) string { return strings.Join(path, ".") }

// fields finds the fields that a checked expression reads, each once, in the order of appearance.
func (c *compiler) fields(checked *ast.AST) ([]field, error) {
	root := ast.NavigateAST(checked)
	if calls := ast.MatchDescendants(root, ast.FunctionMatcher("dyn")); len(calls) > 0 {
		return nil, at(checked, calls[0], errors.New("dyn(…) is not available to rules: it would hide an unknown field until the evaluation"))
	}
	var found []field
	for _, node := range ast.MatchDescendants(root, longestPath) {
		path, _ := fieldPath(node)
		if err := refused(path); err != nil {
			return nil, at(checked, node, err)
		}
		declared := c.types[path[0]]
		for _, name := range path[1:] {
			declared = step(declared, name)
		}
		f := field{path: path, scalar: !declared.IsList() && !declared.IsObject()}
		asksPresence := node.Kind() == ast.SelectKind && node.AsSelect().IsTestOnly()
		if declared.IsList() || !asksPresence {
			f.lists = lists(f.String(), declared)
		}
		same := func(other field) bool { return slices.Equal(f.path, other.path) && slices.Equal(f.lists, other.lists) }
		if !slices.ContainsFunc(found, same) {
			found = append(found, f)
		}
	}
	return found, nil
}

// at adds the position of a part of the expression to an error, as the errors of CEL have it.
func at(checked *ast.AST, node ast.Expr, err error) error {
	location := checked.SourceInfo().GetStartLocation(node.ID())
	return fmt.Errorf("%d:%d: %w", location.Line(), location.Column()+1, err)
}

// refused says why a rule may not read a path.
func refused(path []string) error {
	switch {
	case len(path) == 1 && path[0] == groupsVariable:
		return errors.New("groups as a whole can't be used: name one of its fields, such as groups.crossing")
	case len(path) == 1 && path[0] == qualityVariable:
		return errors.New("quality as a whole can't be used: name one of its fields, such as quality.poorSamples")
	case len(path) == 1:
		return errors.New("layer as a whole can't be used: name one of its fields, such as layer.samples")
	case path[0] == layerVariable && path[1] == "distanceQuantiles":
		return errors.New("layer.distanceQuantiles is not available to rules: the status does not keep the distance curve; use layer.threshold.distance")
	}
	return nil
}

// longestPath matches layer.leakage.samples, but not the layer.leakage in it.
func longestPath(node ast.NavigableExpr) bool {
	if _, ok := fieldPath(node); !ok {
		return false
	}
	parent, ok := node.Parent()
	if !ok {
		return true
	}
	_, ok = fieldPath(parent)
	return !ok
}

// fieldPath is the path of names from a variable on; ok is false for anything else. That a name is a variable of ours is
// told by its type, since a macro may name a variable of its own layer: none of them has this type, because layer as a
// whole is refused.
func fieldPath(node ast.Expr) (path []string, ok bool) {
	switch node.Kind() {
	case ast.IdentKind:
		nav, isNav := node.(ast.NavigableExpr)
		for _, v := range variables {
			if isNav && nav.Type().TypeName() == v.typeName {
				return []string{v.name}, true
			}
		}
		return nil, false
	case ast.SelectKind:
		path, ok = fieldPath(node.AsSelect().Operand())
		return append(path, node.AsSelect().FieldName()), ok
	case ast.CallKind: // layer.?leakage
		call := node.AsCall()
		if call.FunctionName() != operators.OptSelect {
			return nil, false
		}
		path, ok = fieldPath(call.Args()[0])
		name, isName := call.Args()[1].AsLiteral().(types.String)
		return append(path, string(name)), ok && isName
	default:
		return nil, false
	}
}

// lists are the lists in a value of a type, itself included; those within their items aside.
func lists(name string, of *apiservercel.DeclType) []string {
	if of.IsList() {
		return []string{name}
	}
	var names []string
	for inner, f := range of.Fields {
		names = append(names, lists(name+"."+inner, f.Type)...)
	}
	return slices.Sorted(slices.Values(names))
}
