package mail

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHTML(t *testing.T) {
	for in, want := range map[string]string{
		"a":                                 "a",
		"<p>a<p>b":                          "a\n\nb",
		"a<br>b<br/>c":                      "a\nb\nc",
		"a<br><br><br><br>b":                "a\n\nb",
		"<b>a</b>b <i>c</i>":                "ab c",
		" a\n  b\t c ":                      "a b c",
		"<ul><li>a</li><li>b</ul>":          "- a\n- b",
		"<ol><li>a<li>b<ul><li>c</ul></ol>": "1. a\n2. b\n- c",
		"<table><tr><td>a</td><td>b</td></tr><tr><th>c<th>d</table>":                                              "a b\nc d",
		"<table><tr><td><p>a</p></td><td><div>b</div><div>c</div></td></tr><tr><td></td><td>d</td></tr></table>e": "a b\nc\nd\n\ne",
		"<table><tr><td>a<td><tr><td><p>b<td><p>c</table>":                                                        "a\nb c",
		"<table><tr><td><table><tr><td>a<td>b<tr><td>c</table></table>":                                           "a b\nc",
		"&lt;a&gt; &amp; &uuml;&nbsp;&#8364;":                                                                     "<a> & ü €",
		"<style>p{}</style><script>x</script><title>t</title>a":                                                   "a",
		"a<div style='Display : none'>b<div>c</div></div>d":                                                       "ad",
		"a<span hidden>b</span>c":                                                                                 "ac",
		"<!-- a -->b<!DOCTYPE html>":                                                                              "b",
		`<a href="http://x.lan/">x.lan</a>`:                                                                       "x.lan",
		`<a href="http://x.lan/y">here</a>.`:                                                                      "here (http://x.lan/y).",
		`<a href="mailto:a@b">a@b</a> <a href="javascript:x">y</a>`:                                               "a@b y",
		`<a href="https://x.lan"><img src=x></a>`:                                                                 "",
		"a<blockquote>b<blockquote>c</blockquote></blockquote>d":                                                  "a\n> b\n> > c\nd",
		"<pre>a\n  b\n</pre>c":                                                                                    "a\n  b\nc",
		"zero\u200bwidth soft\u00adhyphen":                                                                        "zerowidth softhyphen",
		"<head><title>x</title><body>y":                                                                           "y",
		"":                                                                                                        "",
	} {
		if got := HTML(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// What is nested without end costs no more than its length.
func TestHTMLDeep(t *testing.T) {
	for _, tag := range []string{"<div>", "<blockquote>", "<ol><li>", "<a href=http://x>", "<div hidden>", "<table><tr><td>", "<", "<p ", "&", "<!--"} {
		checkHTML(t, strings.Repeat(tag+"x", 100_000))
	}
}

func checkHTML(t *testing.T, in string) {
	t.Helper()
	if out := HTML(in); len(out) > 4*len(in)+16 || utf8.ValidString(in) && !utf8.ValidString(out) {
		t.Errorf("%d octets of %d: %.100q", len(out), len(in), in)
	}
}

func FuzzHTML(f *testing.F) {
	for _, s := range []string{"<p>a<br>b", "<ul><li>a", "<a href='http://x'>y</a>", "<blockquote>a<p>b", "<pre>\n\n", "<ol><li>x<li>y", "<span hidden>", "&#0;"} {
		f.Add(s)
	}
	f.Fuzz(checkHTML)
}
