package wrapper

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// settings are how this instance runs: names, units and limits are the Python wrapper's (settings.py).
type settings struct {
	functionName, functionNamespace string
	thirdPartyID, parserID          string
	handler                         string
	host                            string
	port                            int
	timeout, drain                  time.Duration
	maxConcurrency                  int
	maxBodyBytes                    int64
	level                           slog.Level
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn, "error": slog.LevelError,
}

// settingsFrom reads the environment; the error lists every problem found.
func settingsFrom(getenv func(string) string) (settings, error) {
	read := reader{getenv: getenv}
	made := settings{
		functionName:      read.required("FUNCTION_NAME", "K_SERVICE"),
		functionNamespace: read.required("FUNCTION_NAMESPACE"),
		thirdPartyID:      getenv("THIRD_PARTY_ID"),
		parserID:          getenv("PARSER_ID"),
		handler:           read.text("HANDLER", "parser.Handler"),
		host:              read.text("HOST", "0.0.0.0"),
		port:              int(read.whole("PORT", 8080, 0, 65535)),
		timeout:           read.seconds("TIMEOUT_SECONDS", 60, 0.01, 300),
		drain:             read.seconds("DRAIN_SECONDS", 30, 0, 3600),
		maxConcurrency:    int(read.whole("MAX_CONCURRENCY", 100, 1, 10_000)),
		maxBodyBytes:      int64(read.whole("MAX_BODY_BYTES", 10<<20, 1, 1<<30)),
		level:             read.level("LOG_LEVEL", "info"),
	}
	if len(read.problems) > 0 {
		return made, errors.New(strings.Join(read.problems, "; "))
	}
	return made, nil
}

type reader struct {
	getenv   func(string) string
	problems []string
}

func (r *reader) text(name, fallback string) string {
	if value := r.getenv(name); value != "" {
		return value
	}
	return fallback
}

func (r *reader) required(names ...string) string {
	for _, name := range names {
		if value := r.getenv(name); value != "" {
			return value
		}
	}
	r.problems = append(r.problems, names[0]+" is not set; the platform sets it to the function's own")
	return ""
}

func (r *reader) whole(name string, fallback, low, high float64) float64 {
	value := r.number(name, fallback, low, high)
	if value != math.Trunc(value) {
		r.refuse(name, low, high)
	}
	return value
}

func (r *reader) seconds(name string, fallback, low, high float64) time.Duration {
	return time.Duration(r.number(name, fallback, low, high) * float64(time.Second))
}

func (r *reader) number(name string, fallback, low, high float64) float64 {
	text := r.getenv(name)
	if text == "" {
		return fallback
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || !(value >= low && value <= high) {
		r.refuse(name, low, high)
		return fallback
	}
	return value
}

func (r *reader) refuse(name string, low, high float64) {
	problem := fmt.Sprintf("%s is '%s'; a number from %v to %v is allowed", name, r.getenv(name), low, high)
	r.problems = append(r.problems, problem)
}

func (r *reader) level(name, fallback string) slog.Level {
	word := strings.ToLower(r.text(name, fallback))
	if word == "warn" {
		word = "warning"
	}
	level, known := levels[word]
	if !known {
		r.problems = append(r.problems, fmt.Sprintf("%s is '%s'; allowed are debug, info, warning, error", name, word))
	}
	return level
}
