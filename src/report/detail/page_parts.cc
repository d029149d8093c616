#include "report/detail/page_parts.h"

#include <fmt/format.h>

namespace panal::report::detail {
namespace {

// The palette is Okabe and Ito's (2008), which colour-blind readers can tell apart; darkened or
// lightened where the ground needs it.
constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1c2330; --soft: #5b6474; --grid: #e4e7ec; --card: #f7f8fa;
  --c0: #0064a8; --c1: #c4500a; --c2: #00805f; --c3: #a64d82; --c4: #8a6d00; --c5: #2b8cc4; --c6: #6b4fc0; --c7: #4a4a4a; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181f; --ink: #e6e9ef; --soft: #9aa4b5; --grid: #2b323d; --card: #1b2029;
  --c0: #56a9e8; --c1: #f08a3c; --c2: #2fc79b; --c3: #de8fbd; --c4: #e3c34a; --c5: #8fd0f5; --c6: #ac98f2; --c7: #c0c0c0; } }
@media print { :root { --ground: #ffffff; --ink: #000000; --soft: #444444; --grid: #dddddd; --card: #ffffff;
  --c0: #0064a8; --c1: #c4500a; --c2: #00805f; --c3: #a64d82; --c4: #8a6d00; --c5: #2b8cc4; --c6: #6b4fc0; --c7: #4a4a4a; }
  figure, tr { break-inside: avoid; } main { max-width: none; padding: 0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 24px; margin: 0 0 2px; } h2 { font-size: 18px; margin: 34px 0 10px; }
p.made { color: var(--soft); margin: 0 0 18px; }
.scroll { overflow-x: auto; }
.range, .rules td:first-child { white-space: nowrap; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
tbody th { font-weight: 400; color: var(--soft); white-space: nowrap; } td.unknown { color: var(--soft); font-style: italic; }
thead th { font-weight: 600; overflow-wrap: anywhere; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 7px; background: currentColor; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(235px, 1fr)); gap: 12px; }
.tile { background: var(--card); border: 1px solid var(--grid); border-radius: 8px; padding: 12px 14px; overflow-wrap: anywhere; }
.tile b { display: block; font-size: 21px; } .tile span { color: var(--soft); font-size: 13px; } .tile h3 { margin: 0 0 6px; font-size: 14px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); gap: 14px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--grid); border-radius: 8px; padding: 8px; }
figure.wide { grid-column: 1 / -1; } svg { display: block; width: 100%; height: auto; }
ul { padding-left: 20px; } li { overflow-wrap: anywhere; margin: 3px 0; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .title { font-size: 14px; font-weight: 600; }
svg .tick, svg .label { fill: var(--soft); } svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--soft); fill: none; }
svg .line, svg .faint, svg .dashed { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
svg .faint { stroke-width: 1; stroke-opacity: .28; } svg .dashed { stroke-width: 1.5; stroke-dasharray: 5 4; }
svg .band { fill: currentColor; fill-opacity: .16; } svg .mark { fill: currentColor; }
svg .ghost { fill: currentColor; fill-opacity: 0; } svg .ghost:hover { fill-opacity: .5; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
.c4 { color: var(--c4); } .c5 { color: var(--c5); } .c6 { color: var(--c6); } .c7 { color: var(--c7); }
)";

}  // namespace

std::string_view page_style() { return kStyle; }

std::string page_of(std::string_view title, std::string_view made, std::string_view body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n<style>{1}</style>"
      "</head>\n<body><main>\n<h1>{0}</h1>\n<p class=\"made\">{2}</p>\n{3}</main></body></html>\n",
      escaped(title), kStyle, escaped(made), body);
}

std::string figure(const Chart& chart, bool is_wide) {
  return fmt::format("<figure{}>\n{}</figure>\n", is_wide ? " class=\"wide\"" : "", to_svg(chart));
}

std::string list(const std::vector<std::string>& lines) {
  std::string html = "<ul>\n";
  for (const std::string& line : lines) html += fmt::format("<li>{}</li>\n", escaped(line));
  return html + "</ul>\n";
}

}  // namespace panal::report::detail
