package controllers

import (
	"testing"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Time zones, days that never come, and times of an earlier schedule.
func TestScheduleTimes(t *testing.T) {
	parse := func(cron, zone string) (*schedule, error) {
		return parseSchedule(&v1alpha1.ScheduleSpec{Cron: cron, TimeZone: zone}, planTime)
	}
	s, err := parse("30 2 * * *", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.next(planTime), time.Date(2026, 11, 26, 1, 30, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("next is %s, want %s", got, want)
	}
	if !s.holds(s.next(planTime)) || s.holds(planTime) {
		t.Error("a schedule doesn't know its own times")
	}
	// When clocks change it is as with Kubernetes' CronJobs: a time that does not exist is left out, one that comes
	// twice counts twice.
	for day, want := range map[time.Time][]string{
		time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC):  {"2026-03-30 02:30 CEST", "2026-03-31 02:30 CEST"},
		time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC): {"2026-10-25 02:30 CEST", "2026-10-25 02:30 CET"},
	} {
		for _, text := range want {
			day = s.next(day)
			if got := day.In(s.zone).Format("2006-01-02 15:04 MST"); got != text || !s.holds(day) {
				t.Errorf("next is %s, want %s", got, text)
			}
		}
	}
	for cron, zone := range map[string]string{"0 0 31 2 *": "UTC", "* * * * *": "Europe/Atlantis", "99 * * * *": "UTC"} {
		if _, err := parse(cron, zone); err == nil {
			t.Errorf("%s in %s is a schedule", cron, zone)
		}
	}
}
