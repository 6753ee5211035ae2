package index

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// In a browser, with the page's policy in force: the text box and the order work, and a narrow screen shows it whole.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser is started: not with -short")
	}
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("the page is not opened: there is no Chromium on this machine")
	}
	files := map[string]string{}
	for name, n := range map[string]int{"ns/signs": 3, "ns/cars": 1, "other/scans": 2} {
		files[name+"/r/summary.json"] = encoded(t, summaryOf(name, "r", n, func(s *v1alpha1.AuditSummary) {
			s.Layers[0].Leakage.Samples = int64(10 * n % 25)
			s.Dataset.Location = "s3://" + name + "/a-very-long-location-without-any-place-to-break-it-at-all-that-would-make-a-narrow-screen-wide"
		}))
	}
	page := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(page, written(t, collect(t, placeWith(t, files))), 0o600); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-gpu", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844), chromedp.Navigate("file://"+page)); err != nil {
		t.Fatal(err)
	}
	shown := func(act string) string {
		t.Helper()
		got, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => { `+act+`;
			return [...document.querySelectorAll(".audit")].filter((card) => !card.hidden).map((card) => card.dataset.name).join(" ")
				+ " | " + document.querySelector(".shown").textContent + (document.querySelector(".nothing").hidden ? "" : " | nothing") })()`))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	find := func(words string) string {
		return shown(`const find = document.querySelector(".find input"); find.value = "` + words + `"; find.dispatchEvent(new Event("input"))`)
	}
	sort := func(by string) string {
		return shown(`const sort = document.querySelector(".sort select"); sort.value = "` + by + `"; sort.dispatchEvent(new Event("change"))`)
	}
	got := []string{
		shown(""), find("SIGNS verdict"), find("s3://other"), find("<b>"), find(""), sort("newest"), sort("name"), sort("worst"),
		shown(`if (document.documentElement.scrollWidth > innerWidth) throw new Error("wider than the screen")`),
	}
	want := []string{
		"other/scans ns/cars ns/signs | 3 of 3", "ns/signs | 1 of 3", "other/scans | 1 of 3", " | 0 of 3 | nothing", "other/scans ns/cars ns/signs | 3 of 3",
		"ns/signs other/scans ns/cars | 3 of 3", "ns/cars ns/signs other/scans | 3 of 3", "other/scans ns/cars ns/signs | 3 of 3",
		"other/scans ns/cars ns/signs | 3 of 3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}
