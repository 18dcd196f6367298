"""How the page of an evaluation looks: light or dark as the reader's system, and light on paper."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1d2430;--soft:#5b6573;--line:#d9dee6;
--run0:#2f6db5;--run1:#c2602a;--run2:#3d8b57;--run3:#8a56a8}
@media screen and (prefers-color-scheme:dark){:root{
--paper:#14181f;--ink:#e4e8ee;--soft:#98a2b1;--line:#323a47;--run0:#6ea6e6;--run1:#e8935f;--run2:#6fbf8b;--run3:#bd8fd8}}
body{background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:56rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2.2rem 0 .5rem}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
.note,small{color:var(--soft)}small{overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;margin:.6rem 0;font-size:.88rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}td{overflow-wrap:anywhere}ol{margin:0;padding-left:1.1rem}
.worst th:nth-child(1){width:26%}.worst th:nth-child(2){width:7%}.worst th:nth-child(3){width:27%}
svg{width:100%;height:auto}.legend svg{width:12px}.legend span{margin-right:1.1rem;white-space:nowrap}
.run0{--hue:var(--run0)}.run1{--hue:var(--run1)}.run2{--hue:var(--run2)}.run3{--hue:var(--run3)}
.variant0{fill:var(--hue)}.variant1{fill:color-mix(in srgb,var(--hue) 62%,var(--paper))}
.variant2{fill:color-mix(in srgb,var(--hue) 32%,var(--paper))}
text{font:11px system-ui,sans-serif;fill:var(--ink)}.label{font-size:12px}.figure{fill:var(--soft)}
.grid{stroke:var(--line)}.zero,.axis{stroke:var(--soft)}.whisker{stroke:var(--ink);fill:none;stroke-width:1.2}
@media print{body{margin:0;max-width:none;font-size:11px}section{break-inside:auto}
svg,tr,h2,h3{break-inside:avoid}h2,h3,.legend,section>p{break-after:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
""".replace("\n", "")
