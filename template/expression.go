package template

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// expression compiles one expression, which begins at a column of its string.
func (p *parser) expression(text string, column int, at place) (part, error) {
	wrong := func(column int, reason string) (part, error) {
		return part{}, &Error{Field: at.field, Column: column, Reason: reason}
	}
	if len(text) > MaxExpression {
		return wrong(column, fmt.Sprintf("the expression is longer than %d bytes", MaxExpression))
	}
	if strings.TrimSpace(text) == "" {
		return wrong(column, "the expression is empty")
	}
	if p.expressions++; p.expressions > MaxExpressions {
		return wrong(column, fmt.Sprintf("there are more than %d expressions", MaxExpressions))
	}
	env := signature
	if at.item {
		env = itemSignature
	}
	g := &guard{t: p.t}
	program, err := expr.Compile(text, expr.Env(env), expr.DisableAllBuiltins(), expr.MaxNodes(MaxNodes), expr.Patch(g))
	if g.reason != "" {
		return wrong(column+g.at, g.reason)
	}
	if err != nil {
		if told, ok := errors.AsType[*file.Error](err); ok {
			return wrong(column+utf8.RuneCountInString(text[:min(len(text), offset(text, told))]), told.Message)
		}
		return wrong(column, err.Error())
	}
	return part{program: program, nodes: g.nodes, column: column}, nil
}

// offset is where in an expression an error is, in bytes.
func offset(text string, e *file.Error) int {
	n := 0
	for i := range text {
		if n == e.From {
			return i
		}
		n++
	}
	return len(text)
}

// guard walks through an expression and refuses what could run for long, or reaches what it is not to.
type guard struct {
	t      *Template
	nodes  int
	at     int // of what is refused, in characters
	reason string
}

// operators are those that an expression may have.
var operators = map[string]bool{
	"+": true, "-": true, "*": true, "/": true, "%": true,
	"==": true, "!=": true, "<": true, "<=": true, ">": true, ">=": true,
	"and": true, "&&": true, "or": true, "||": true, "not": true, "!": true, "??": true,
	"in": true, "contains": true, "startsWith": true, "endsWith": true,
}

// known are the members of the variables that have a fixed set of them.
var known = map[string]map[string]bool{
	"recipient":    {"name": true, "locale": true, "time_zone": true, "external_id": true},
	"notification": {"id": true, "topic": true},
}

// Visit implements [ast.Visitor].
func (g *guard) Visit(at *ast.Node) {
	g.nodes++
	switch n := (*at).(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.ConstantNode, *ast.ChainNode,
		*ast.ConditionalNode, *ast.ArrayNode, *ast.SliceNode:
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, "$") {
			g.refuse(n, n.Value+" is not known")
		}
	case *ast.UnaryNode:
		if !operators[n.Operator] {
			g.refuse(n, "there is no operator "+n.Operator)
		}
	case *ast.BinaryNode:
		if !operators[n.Operator] {
			g.refuse(n, "there is no operator "+n.Operator)
		}
	case *ast.CallNode:
		if name, ok := n.Callee.(*ast.IdentifierNode); !ok || !functionNames[name.Value] {
			g.refuse(n, "only the functions of templates can be called")
		}
	case *ast.MemberNode:
		g.member(n)
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		g.refuse(n, "variables cannot be declared")
	case *ast.MapNode, *ast.PairNode:
		g.refuse(n, "objects cannot be made")
	default:
		g.refuse(n, "loops are not for expressions: use $each")
	}
}

// member checks the members of variables, so that a slip of the pen is found when the template is stored.
func (g *guard) member(n *ast.MemberNode) {
	of, ok := n.Node.(*ast.IdentifierNode)
	if !ok {
		return
	}
	fixed := known[of.Value]
	if of.Value != "data" && fixed == nil {
		return
	}
	name, ok := n.Property.(*ast.StringNode)
	switch {
	case !ok:
		g.refuse(n, "the member of "+of.Value+" has to be named")
	case of.Value == "data" && g.t.parameters[name.Value].Name == "":
		g.refuse(n, name.Value+" is no parameter of the template")
	case fixed != nil && !fixed[name.Value]:
		g.refuse(n, of.Value+" has no member "+name.Value)
	case name.Value == "external_id" && of.Value == "recipient":
		g.t.external = true
	}
}

func (g *guard) refuse(n ast.Node, reason string) {
	if g.reason == "" {
		g.at, g.reason = n.Location().From, reason
	}
}
