package report

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
)

// headBytes hold what Connected changes: it stands at the page's start.
const headBytes = 16 << 10

// Connected copies a page as it is served: it keeps the marks at the address verdicts, of the same origin, instead of in
// the browser alone. The file itself may connect to nothing.
func Connected(w io.Writer, page io.Reader, verdicts string) error {
	head := make([]byte, headBytes)
	n, err := io.ReadFull(page, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	head = head[:n]
	const nothing, place = "default-src &#39;none&#39;;", `<meta name="verdicts" content="">`
	if !bytes.Contains(head, []byte(nothing)) || !bytes.Contains(head, []byte(place)) {
		return fmt.Errorf("it is not a page of this runner's version")
	}
	head = bytes.Replace(head, []byte(nothing), []byte(nothing+" connect-src &#39;self&#39;;"), 1)
	head = bytes.Replace(head, []byte(place), []byte(`<meta name="verdicts" content="`+html.EscapeString(verdicts)+`">`), 1)
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err = io.Copy(w, page)
	return err
}
