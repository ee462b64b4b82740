//! Shows rows as a page.

/// A page with a table of names and prices in cents.
pub fn page(rows: &[(&str, u32)]) -> String {
    let mut html = String::from("<!doctype html><title>Shop</title><table>");
    for (name, cents) in rows {
        html.push_str(&format!(
            "<tr style=\"font-family: sans-serif; font-size: 16px; border-bottom: 1px solid #ccc; padding: 4px 8px\">\
             <td style=\"text-align: left; font-weight: bold; color: #222\">{}</td>\
             <td style=\"text-align: right; font-variant-numeric: tabular-nums; color: #222\">{}.{:02}</td></tr>",
            escape(name),
            cents / 100,
            cents % 100
        ));
    }
    html + "</table>"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
