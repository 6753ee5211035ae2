package report

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// A browser is a headless Chromium, in which each tab fails its test on anything that its page says on the console.
type browser struct{ ctx context.Context }

// startBrowser starts one for a test, or skips the test where there is none.
func startBrowser(t testing.TB) browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is started: not with -short")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
			chromedp.Flag("disable-gpu", true), chromedp.Flag("hide-scrollbars", true),
			chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
		ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
		t.Cleanup(stop)
		ctx, stop = chromedp.NewContext(ctx)
		t.Cleanup(stop)
		if err := chromedp.Do(ctx); err != nil {
			t.Fatalf("%s: %v", program, err)
		}
		return browser{ctx}
	}
	t.Skip("the page is not opened: there is no Chromium on this machine")
	return browser{}
}

// A look is how a page is seen. The zero look is 1280×900 pixels, light.
type look struct {
	width, height int64
	dark          bool
	noScript      bool
}

// A tab shows one page.
type tab struct {
	testing.TB
	ctx context.Context
}

// open opens an address.
func (b browser) open(t testing.TB, address string, l look) tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(b.ctx)
	t.Cleanup(closeTab)
	console := chromedp.Console(ctx)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for message, err := range console {
			if err != nil {
				return
			}
			t.Errorf("the page says: %s: %s", message.Type, message.Text)
		}
	}()
	t.Cleanup(func() { // before the tab is closed for good, all has been heard
		closeTab()
		<-read
	})
	if l.width == 0 {
		l.width, l.height = 1280, 900
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	p := tab{t, ctx}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	call(p, emulation.SetEmulatedMedia, media)
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.noScript})
	p.do(chromedp.EmulateViewport(l.width, l.height), chromedp.Navigate(address))
	return p
}

func (p tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

// get runs an action that has a value.
func get[T any](p tab, action chromedp.Action[T]) T {
	p.Helper()
	value, err := chromedp.Run(p.ctx, action)
	if err != nil {
		p.Fatal(err)
	}
	return value
}

// call sends a command of the protocol.
func call[P, R any](p tab, command cdp.Command[P, R], parameters P) R {
	p.Helper()
	result, err := chromedp.Call(p.ctx, command, parameters)
	if err != nil {
		p.Fatal(err)
	}
	return result
}

// value evaluates an expression in the page; a promise is awaited.
func value[T any](p tab, expression string) T {
	p.Helper()
	got, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return got
}

// act runs a statement in the page.
func (p tab) act(statement string) {
	p.Helper()
	value[bool](p, "(() => {"+statement+"; return true})()")
}

// sees waits until an expression is true.
func (p tab) sees(expression string) {
	p.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !value[bool](p, "Boolean("+expression+")") {
		if time.Now().After(deadline) {
			p.Fatalf("it never happens that %s", expression)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// published writes the findings and returns the address of their page.
func published(t testing.TB, f *Findings) string {
	t.Helper()
	dir := t.TempDir()
	out, err := storage.Create(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := Write(context.Background(), out, f, nil); err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.Join(dir, v1alpha1.FileReport)
}
