//! Where the published files are, how long they are, and their SHA-256.
//!
//! Lengths and addresses of the archives are those that TensorFlow Datasets publishes. The sums are of the files when they
//! are unpacked, so that it does not matter how a server packs them.

/// A packed file, as servers have it.
pub(super) struct Archive {
    /// The addresses that, with the name behind, may give it, in the order in which they are asked.
    pub(super) servers: &'static [&'static str],
    pub(super) name: &'static str,
    /// Its length, as published.
    pub(super) bytes: u64,
    /// What is in it.
    pub(super) files: &'static [Unpacked],
}

/// A file in an archive.
pub(super) struct Unpacked {
    pub(super) name: &'static str,
    pub(super) bytes: u64,
    pub(super) sha256: &'static str,
}

macro_rules! idx {
    ($servers:ident, $($name:literal: $packed:literal -> $bytes:literal $sha256:literal;)*) => {[$(
        Archive {
            servers: &$servers,
            name: concat!($name, ".gz"),
            bytes: $packed,
            files: &[Unpacked { name: $name, bytes: $bytes, sha256: $sha256 }],
        },
    )*]};
}

const MNIST_SERVERS: [&str; 2] =
    ["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"];

pub(super) const MNIST: [Archive; 4] = idx! { MNIST_SERVERS,
    "train-images-idx3-ubyte": 9_912_422 -> 47_040_016 "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db";
    "train-labels-idx1-ubyte": 28_881 -> 60_008 "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5";
    "t10k-images-idx3-ubyte": 1_648_877 -> 7_840_016 "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7";
    "t10k-labels-idx1-ubyte": 4_542 -> 10_008 "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2";
};

/// The home of the authors does not know HTTPS; the sums see to it that nothing else is taken for their files.
const FASHION_SERVERS: [&str; 2] = [
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
];

pub(super) const FASHION_MNIST: [Archive; 4] = idx! { FASHION_SERVERS,
    "train-images-idx3-ubyte": 26_421_880 -> 47_040_016 "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888";
    "train-labels-idx1-ubyte": 29_515 -> 60_008 "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9";
    "t10k-images-idx3-ubyte": 4_422_102 -> 7_840_016 "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b";
    "t10k-labels-idx1-ubyte": 5_148 -> 10_008 "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34";
};

macro_rules! batches {
    ($($name:literal $sha256:literal;)*) => {
        &[$(Unpacked { name: $name, bytes: 30_730_000, sha256: $sha256 },)*]
    };
}

pub(super) const CIFAR10: [Archive; 1] = [Archive {
    servers: &["https://www.cs.toronto.edu/~kriz/"],
    name: "cifar-10-binary.tar.gz",
    bytes: 170_052_171,
    files: batches! {
        "data_batch_1.bin" "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5";
        "data_batch_2.bin" "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed";
        "data_batch_3.bin" "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67";
        "data_batch_4.bin" "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48";
        "data_batch_5.bin" "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add";
        "test_batch.bin" "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b";
    },
}];
