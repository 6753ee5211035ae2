package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/datasetaudit/dataset-audit/test/pages"
)

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
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
	for _, script := range pages.Elements(pages.Parse(t, page), "script", "") {
		var err error
		switch id := pages.Attribute(script, "id"); {
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
	for i, script := range slices.DeleteFunc(pages.Elements(pages.Parse(t, page), "script", ""), func(n *html.Node) bool { return pages.Attribute(n, "type") != "text/plain" }) {
		if id := pages.Attribute(script, "id"); id != fmt.Sprint("pictures-", i) {
			t.Errorf("block %d of pictures is called %s", i, id)
		}
		lines = append(lines, strings.Fields(content(script))...)
	}
	return lines
}
