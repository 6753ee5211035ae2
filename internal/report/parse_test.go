package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// parsed reads a page as a browser does.
func parsed(t *testing.T, page []byte) *html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// elements returns the elements of a tag and a class; an empty one means any.
func elements(root *html.Node, tag, class string) []*html.Node {
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (tag == "" || n.Data == tag) &&
			(class == "" || slices.Contains(strings.Fields(attribute(n, "class")), class)) {
			out = append(out, n)
		}
	}
	return out
}

func content(n *html.Node) string {
	var out strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			out.WriteString(d.Data)
		}
	}
	return out.String()
}

// data reads the blocks of JSON of a page.
func data(t *testing.T, page []byte) (samplesBlock, []layerBlock) {
	t.Helper()
	var samples samplesBlock
	var layers []layerBlock
	for _, script := range elements(parsed(t, page), "script", "") {
		var err error
		switch id := attribute(script, "id"); {
		case id == "samples":
			err = json.Unmarshal([]byte(content(script)), &samples)
		case strings.HasPrefix(id, "layer-data-"):
			var l layerBlock
			err = json.Unmarshal([]byte(content(script)), &l)
			layers = append(layers, l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return samples, layers
}

// pictureLines are the pictures of a page in their order.
func pictureLines(t *testing.T, page []byte) (lines []string) {
	t.Helper()
	for i, script := range slices.DeleteFunc(elements(parsed(t, page), "script", ""), func(n *html.Node) bool { return attribute(n, "type") != "text/plain" }) {
		if id := attribute(script, "id"); id != fmt.Sprint("pictures-", i) {
			t.Errorf("block %d of pictures is called %s", i, id)
		}
		lines = append(lines, strings.Fields(content(script))...)
	}
	return lines
}
