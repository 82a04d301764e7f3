// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	day   = 24 * time.Hour
	month = 30 * day
	year  = 365 * day
)

// span returns a length of time as a person says it: "12 days", "1 month". It rounds down, so no key lives longer than the page says.
func span(d time.Duration) string {
	for _, unit := range []struct {
		from, length time.Duration
		name         string
	}{
		{2 * year, year, "year"}, {2 * month, month, "month"}, {2 * day, day, "day"},
		{2 * time.Hour, time.Hour, "hour"}, {time.Minute, time.Minute, "minute"},
	} {
		if d >= unit.from {
			return plural(int(d/unit.length), unit.name)
		}
	}

	return plural(int(max(d, 0)/time.Second), "second")
}

// until returns when a time comes: "in 12 days"; a time that has come is told as in since.
func until(at, now time.Time) string {
	if !at.After(now) {
		return since(at, now)
	}

	return "in " + span(at.Sub(now))
}

// since returns how long ago a time was: "2 minutes ago".
func since(at, now time.Time) string {
	const fresh = 5 * time.Second
	if d := now.Sub(at); d >= fresh {
		return span(d) + " ago"
	}

	return "just now"
}

// clockTime returns the time of day, with the date where it is another day than now.
func clockTime(at, now time.Time) string {
	at = at.In(now.Location())
	if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04")
	}

	return at.Format("2 January, 15:04")
}

// date returns the day of a time.
func date(at, now time.Time) string { return at.In(now.Location()).Format("2 January 2006") }

// dayOrTime returns the time of day of a time today, and the date of another.
func dayOrTime(at, now time.Time) string {
	if at = at.In(now.Location()); at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04")
	}

	return date(at, now)
}

// exact returns a time for the title of its words, with the zone.
func exact(at, now time.Time) string {
	return at.In(now.Location()).Format("2 January 2006, 15:04:05 MST")
}

// plural returns a number with its noun: "1 key", "3 keys".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}

	return number(n) + " " + noun + "s"
}

// number returns a number with commas between groups of three digits.
func number(n int) string {
	digits := strconv.Itoa(n)
	var grouped strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			grouped.WriteByte(',')
		}
		grouped.WriteRune(digit)
	}

	return grouped.String()
}

// limitWords returns a rate limit for a column: "100 / 1m".
func limitWords(limit *v1alpha1.RateLimit) string {
	if limit == nil {
		return "no limit"
	}

	return number(int(limit.Requests)) + " / " + string(limit.Per)
}

// lengthWords returns a length of time of the API in words: "10 minutes". One that is no round number stays as it is written.
func lengthWords(d v1alpha1.Duration) string {
	length, err := time.ParseDuration(string(d))
	if err != nil {
		return string(d)
	}
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if length >= unit.length && length%unit.length == 0 {
			return plural(int(length/unit.length), unit.name)
		}
	}

	return string(d)
}

// limitSentence returns a rate limit in words: "100 per minute, 20 at once".
func limitSentence(limit *v1alpha1.RateLimit) string {
	if limit == nil {
		return "no limit"
	}
	text := fmt.Sprintf("%s per %s", number(int(limit.Requests)), strings.TrimPrefix(lengthWords(limit.Per), "1 "))
	if limit.Burst > 0 {
		text += ", " + number(int(limit.Burst)) + " at once"
	}

	return text
}

// capital returns a text that begins with a capital letter.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return text
	}

	return string(unicode.ToUpper(first)) + text[size:]
}
