package wrapper

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// deadlines ends the contexts of calls whose time is over. One goroutine for all: a timer for each call wakes the
// runtime's poller, which costs as much as the rest of a small call. All calls have the same time, so they end in the
// order in which they began, and a goroutine that finds none can sleep for a whole timeout.
type deadlines struct {
	timeout time.Duration
	lock    sync.Mutex
	calls   list.List
}

// deadline is the end of one call's time.
type deadline struct {
	at     time.Time
	place  *list.Element
	passed chan struct{}
	// timer is there for a call whose event has a deadline of its own; those are few, and in no order.
	timer *time.Timer
}

func newDeadlines(timeout time.Duration) *deadlines {
	made := &deadlines{timeout: timeout}
	go made.watch()
	return made
}

// add begins a call's time, which ends at the latest at the time given unless that is zero.
func (d *deadlines) add(began, latest time.Time) *deadline {
	made := &deadline{at: began.Add(d.timeout), passed: make(chan struct{})}
	if !latest.IsZero() && latest.Before(made.at) {
		made.at = latest
		made.timer = time.AfterFunc(time.Until(latest), func() { close(made.passed) })
		return made
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	made.place = d.calls.PushBack(made)
	return made
}

// remove takes a call away that has ended; its context ends, too, as a finished request's does.
func (d *deadlines) remove(ended *deadline) {
	if ended.timer != nil {
		ended.timer.Stop()
		return
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	if ended.place != nil {
		d.calls.Remove(ended.place)
		ended.place = nil
	}
}

func (d *deadlines) watch() {
	for {
		time.Sleep(d.expire(time.Now()))
	}
}

// expire ends what is due and returns how long nothing will be.
func (d *deadlines) expire(now time.Time) time.Duration {
	d.lock.Lock()
	defer d.lock.Unlock()
	for first := d.calls.Front(); first != nil; first = d.calls.Front() {
		due := first.Value.(*deadline)
		if wait := due.at.Sub(now); wait > 0 {
			return wait
		}
		d.calls.Remove(first)
		due.place = nil
		close(due.passed)
	}
	return d.timeout
}

// Deadline returns when the handler's time is over.
func (c *call) Deadline() (time.Time, bool) {
	if c.deadline == nil {
		return time.Time{}, false
	}
	return c.deadline.at, true
}

// Done returns a channel that is closed when the handler's time is over.
func (c *call) Done() <-chan struct{} {
	if c.deadline == nil {
		return nil
	}
	return c.deadline.passed
}

// Err returns context.DeadlineExceeded when the handler's time is over.
func (c *call) Err() error {
	select {
	case <-c.Done():
		return context.DeadlineExceeded
	default:
		return nil
	}
}
