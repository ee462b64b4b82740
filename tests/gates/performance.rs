//! bundle-size, load-time, response-time.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::Duration,
};

use crate::world::{World, skips_without};

/// Letters that do not pack well.
fn noise(bytes: usize) -> String {
    let mut state: u32 = 12345;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + u8::try_from((state >> 24) % 75).unwrap())
    };
    (0..bytes).map(|_| letter()).collect()
}

/// Answers every request with that status, and gives the address.
fn server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            // Slower than a bound of one millisecond on any machine.
            thread::sleep(Duration::from_millis(4));
            let _ = stream
                .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").as_bytes());
        }
    });
    address
}

#[test]
fn the_bundle_is_packed_and_weighed() {
    World::rust("").passes("bundle-size", "not applicable: no bundler in package.json and no built scripts or styles");
    let unbuilt = "{\"scripts\": {\"build\": \"vite build\"}, \"devDependencies\": {\"vite\": \"6\"}}";
    let world = World::new().file("package.json", unbuilt);
    world.errs("bundle-size", "Build it in a step before: `npm run build`.");
    let world =
        world.file("dist/a.js", &noise(20_000)).file("dist/deep/b.css", "a {}").file("dist/a.html", &noise(900_000));
    world.passes("bundle-size", "at most 300 kB are allowed");
    let world = world.input("bundle_kb", "10");
    world.fails("bundle-size", "bytes packed, at most 10 kB are allowed");
    World::new().input("bundle_kb", "a").errs("bundle-size", "the input bundle_kb is no whole number: a");
}

#[test]
fn a_page_is_fetched_and_timed() {
    World::rust("").passes("load-time", "not applicable: no page");
    World::new().file("index.html", "").errs("load-time", "Give the workflow an input `url`");
    if skips_without("curl") {
        return;
    }
    let page = |status| World::new().file("index.html", "").real("curl").input("url", &server(status));
    page("200 OK").passes("load-time", "at most 2000 are allowed");
    page("200 OK").input("load_ms", "1").fails("load-time", "at most 1 are allowed");
    page("500 Broken").errs("load-time", "did not answer with success");
}

#[test]
fn a_service_is_asked_a_hundred_times() {
    World::rust("").passes("response-time", "not applicable: no service");
    let service = "{\"dependencies\": {\"express\": \"5\"}}";
    World::new().file("package.json", service).errs("response-time", "start the service there in a step before");
    if skips_without("curl") {
        return;
    }
    let service = |status| World::new().file("package.json", service).real("curl").input("url", &server(status));
    service("200 OK").passes("response-time", "95 of 100 requests to http://127.0.0.1");
    service("200 OK").input("response_ms", "1").fails("response-time", ", 1 are allowed");
    service("404 Gone").errs("response-time", "did not answer with success");
}
