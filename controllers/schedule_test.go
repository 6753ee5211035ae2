package controllers

import (
	"testing"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// TestScheduleTimes : time zones, days that never come, and times of an earlier schedule.
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
	for cron, zone := range map[string]string{"0 0 31 2 *": "UTC", "* * * * *": "Europe/Atlantis", "99 * * * *": "UTC"} {
		if _, err := parse(cron, zone); err == nil {
			t.Errorf("%s in %s is a schedule", cron, zone)
		}
	}
}
