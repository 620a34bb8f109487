//! The few Python literals that the header of an NPY array is made of.

/// What Python literals a header is made of; tuples are lists here.
pub(super) enum Literal {
    Text(String),
    Number(usize),
    Bool(bool),
    List(Vec<Literal>),
    Map(Vec<(String, Literal)>),
}

impl Literal {
    /// The literal that `text` starts with; none where it starts with anything else.
    pub(super) fn parse(text: &str) -> Option<Literal> {
        Parser { rest: text }.value(0)
    }
}

/// Deepest nesting of a header.
const DEEPEST: usize = 8;

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    /// Takes `symbol` after blanks, if it comes next.
    fn eat(&mut self, symbol: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        if depth > DEEPEST {
            return None;
        }
        if self.eat("{") {
            return self.map(depth);
        }
        for (open, close) in [("(", ")"), ("[", "]")] {
            if self.eat(open) {
                return self.list(close, depth);
            }
        }
        for (word, value) in [("True", true), ("False", false)] {
            if self.eat(word) {
                return Some(Literal::Bool(value));
            }
        }
        match self.rest.chars().next()? {
            quote @ ('\'' | '"') => self.text(quote).map(Literal::Text),
            _ => self.number(),
        }
    }

    fn map(&mut self, depth: usize) -> Option<Literal> {
        let mut members = Vec::new();
        while !self.eat("}") {
            let Literal::Text(key) = self.value(depth + 1)? else {
                return None;
            };
            if !self.eat(":") {
                return None;
            }
            members.push((key, self.value(depth + 1)?));
            if !self.eat(",") {
                return self.eat("}").then_some(Literal::Map(members));
            }
        }
        Some(Literal::Map(members))
    }

    fn list(&mut self, close: &str, depth: usize) -> Option<Literal> {
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.value(depth + 1)?);
            if !self.eat(",") {
                return self.eat(close).then_some(Literal::List(items));
            }
        }
        Some(Literal::List(items))
    }

    fn number(&mut self) -> Option<Literal> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        // Python 2 wrote its long integers so.
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().ok().map(Literal::Number)
    }

    fn text(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        chars.next();
        loop {
            match chars.next()? {
                c if c == quote => break,
                '\\' => text.push(escaped(&mut chars)?),
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(text)
    }
}

fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match chars.next()? {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        c @ ('\\' | '\'' | '"') => return Some(c),
        _ => return None,
    };
    let digits: String = chars.by_ref().take(digits).collect();
    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
}
