//! Makes the receipt for a list of sales.

/// The receipt for lines such as `2 book 12.50`: a quantity, a kind and the price of one.
pub fn receipt(sales: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut total = 0;
    let mut taxes = 0;
    let mut n = 0;
    for line in sales.lines() {
        n += 1;
        let line = line.trim();
        if line == "" || line.starts_with("#") {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.len() != 3 {
            return Err(format!("line {n}: expected QUANTITY KIND PRICE"));
        }
        let quantity: i64 = match words[0].parse::<i32>() {
            Ok(quantity) => quantity.into(),
            Err(_) => return Err(format!("line {n}: {} is no quantity", words[0])),
        };
        let price: i64 = match words[2].split_once('.') {
            Some((a, b)) if b.len() == 2 => match (a.parse::<u32>(), b.parse::<u32>()) {
                (Ok(a), Ok(b)) => i64::from(a) * 100 + i64::from(b),
                _ => return Err(format!("line {n}: {} is no price", words[2])),
            },
            _ => return Err(format!("line {n}: {} is no price", words[2])),
        };
        if words[1] == "book" {
            let mut amount = quantity * price;
            if quantity >= 10 {
                amount = amount - amount / 10;
            }
            let tax = (amount * 7 + 50) / 100;
            out = out
                + &format!(
                    "{:>4} book  {:>8}\n",
                    quantity,
                    format!("{}.{:02}", amount / 100, amount % 100)
                );
            total = total + amount;
            taxes = taxes + tax;
        } else if words[1] == "food" {
            let amount = quantity * price;
            let tax = (amount * 7 + 50) / 100;
            out = out
                + &format!(
                    "{:>4} food  {:>8}\n",
                    quantity,
                    format!("{}.{:02}", amount / 100, amount % 100)
                );
            total = total + amount;
            taxes = taxes + tax;
        } else if words[1] == "drink" {
            let amount = quantity * price;
            let tax = (amount * 19 + 50) / 100;
            out = out
                + &format!(
                    "{:>4} drink {:>8}\n",
                    quantity,
                    format!("{}.{:02}", amount / 100, amount % 100)
                );
            total = total + amount;
            taxes = taxes + tax;
        } else {
            return Err(format!(
                "line {n}: nothing of the kind {} is sold here",
                words[1]
            ));
        }
    }
    out = out
        + &format!(
            "     tax   {:>8}\n",
            format!("{}.{:02}", taxes / 100, taxes % 100)
        );
    out = out
        + &format!(
            "     total {:>8}\n",
            format!("{}.{:02}", (total + taxes) / 100, (total + taxes) % 100)
        );
    Ok(out)
}
