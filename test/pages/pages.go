// Package pages is what the tests of HTML pages have in common: reading a page as a browser does, and that nothing in it
// can run or call home.
package pages

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Parse reads a page as a browser does.
func Parse(t *testing.T, page []byte) *html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Attribute is the value of an attribute, empty where the element has none.
func Attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// Elements returns the elements of a tag and a class; an empty one means any.
func Elements(root *html.Node, tag, class string) []*html.Node {
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (tag == "" || n.Data == tag) &&
			(class == "" || slices.Contains(strings.Fields(Attribute(n, "class")), class)) {
			out = append(out, n)
		}
	}
	return out
}

// Inert fails for a comment, for an element or attribute that runs or loads something, and for a link that doesn't begin
// as those of the page do.
func Inert(t *testing.T, root *html.Node, links string) {
	t.Helper()
	for n := range root.Descendants() {
		if n.Type == html.CommentNode {
			t.Errorf("comment %q", n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"iframe", "object", "embed", "base", "link", "img"}, n.Data) {
			t.Errorf("element %s", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" && !strings.HasPrefix(a.Val, links) {
				t.Errorf("element %s with %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
}
