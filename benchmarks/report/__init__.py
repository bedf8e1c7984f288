"""From a run to what people read: pure functions, no file is written here but by `charts.write`.

web.page         one HTML file that stands alone
markdown.text    the same in Markdown, fit for a pull request
charts.charts    each chart by name, for slides

They share views (the cells under the same conditions), words (the answer), method (how it was measured),
tables (what charts draw), figures (numbers in writing) and looks (a transport's colour, dash and shape).
"""
